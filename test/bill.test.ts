import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { billOf, billTable } from '#bench/simulate/bill.ts'
import { runBills } from '#bench/simulate/bills.ts'
import { deployments, givenBy } from '#bench/simulate/deployments.ts'
import { valuesOf } from '#bench/simulate/inputs.ts'
import { parseOptions } from '#bench/simulate/options.ts'

const readText = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

const minute = 60_000

/** Simulated once, for it takes half a minute. */
let bills: ReturnType<typeof runBills> | undefined
const allBills = () => {
  const options = parseOptions(['--bill', '--seed', '1'])
  if (options.kind !== 'bill') expect.fail('the command makes out bills')
  bills ??= runBills(options)
  return bills
}

test(
  "the costs in Terraform's README are what the command prints that it names, of machines that bear the load",
  async () => {
    const page = await readText('terraform/README.md')
    expect(page).toContain('npm run simulate -- --bill --seed 1 ')
    const billed = await allBills()
    expect(page).toContain(`\n${billTable(billed)}\n`)
    for (const { deployment, day } of billed) {
      const { api, cells, database, name } = deployment
      expect(database.vcpus, name).toBeGreaterThanOrEqual(day.sizes.postgresVcpusPerCell)
      expect(api.max * api.cpu * cells, name).toBeGreaterThanOrEqual(day.sizes.coreVcpus)
    }
  },
  5 * minute,
)

test("what a deployment is priced by is what Terraform's variables are by default, and the README says the rest", async () => {
  const variables = await readText('terraform/platform/variables.tf')
  const page = await readText('terraform/README.md')
  const byDefault = (service: string, member: string) =>
    new RegExp(`^    ${service} += optional\\(object\\(\\{[^}]*?^ +${member} += optional\\(\\w+, ([^)]+)\\)`, 'm').exec(
      variables,
    )?.[1]
  for (const { api, worker, players, database, name } of deployments) {
    for (const [service, { min, max, cpu, memoryGib }] of Object.entries({ api, worker })) {
      const figures = [min, max, cpu, `"${memoryGib}Gi"`].map(String)
      expect(
        ['min', 'max', 'cpu', 'memory'].map((member) => byDefault(service, member)),
        name,
      ).toEqual(figures)
    }
    expect(page).toContain(players.toLocaleString('en-GB'))
    expect(page).toContain(`\`db-custom-${database.vcpus}-${database.memoryGib * 1_024}\``)
  }
})

test('who is asked twice as much pays more by use, and the same for machines that are there anyway', {
  timeout: 5 * minute,
}, async () => {
  const [small] = await allBills()
  if (!small) expect.fail('there are deployments')
  const { deployment, day, bill } = small
  const loads = day.loads.map((load) => ({
    ...load,
    ...{ requests: 2 * load.requests, coreRequests: 2 * load.coreRequests, upstashCommands: 2 * load.upstashCommands },
  }))
  const twice = billOf(deployment, { ...day, loads }, valuesOf(givenBy(deployment)))
  for (const line of ['workers', 'workersLogs', 'upstashByUse', 'cloudLogging', 'network'] as const)
    expect(twice[line], line).toBeGreaterThan(bill[line])
  for (const line of ['cloudSql', 'cloudSqlStorage', 'memorystore', 'cloudRun'] as const)
    expect(twice[line], line).toBe(bill[line])
})
