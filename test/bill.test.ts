import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { billTable } from '#bench/simulate/bill.ts'
import { runBills } from '#bench/simulate/bills.ts'
import { deployments } from '#bench/simulate/deployments.ts'
import { valuesOf } from '#bench/simulate/inputs.ts'
import { parseOptions } from '#bench/simulate/options.ts'

const readText = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

const minute = 60_000

test(
  "the costs in Terraform's README are what the command prints that it names, of machines that bear the load",
  async () => {
    const page = await readText('terraform/README.md')
    expect(page).toContain('npm run simulate -- --bill --seed 1 ')
    const options = parseOptions(['--bill', '--seed', '1'])
    if (options.kind !== 'bill') expect.fail('the command makes out bills')
    const billed = await runBills(options)
    expect(page).toContain(`\n${billTable(billed)}\n`)
    for (const { deployment, day } of billed) {
      const { api, cells, database, name } = deployment
      expect(database.vcpus, name).toBeGreaterThanOrEqual(day.sizes.postgresVcpusPerCell)
      expect(api.max * api.cpu * cells, name).toBeGreaterThanOrEqual(day.sizes.coreVcpus)
    }
  },
  2 * minute,
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

test(
  'who reads twice as much pays more by use, and the same for machines that are there anyway',
  async () => {
    const given = { readsPerMinute: valuesOf().readsPerMinute * 2 }
    const [less, more] = await Promise.all(
      [{}, given].map((values) => runBills({ seed: 1, given: values, threads: 0, only: ['small'] })),
    )
    expect(more?.[0]?.bill.workers).toBeGreaterThan(less?.[0]?.bill.workers ?? Number.POSITIVE_INFINITY)
    expect(more?.[0]?.bill.cloudSql).toBe(less?.[0]?.bill.cloudSql)
  },
  minute,
)
