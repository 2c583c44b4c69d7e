import { parseArgs } from 'node:util'
import { checkDependencies } from './dependencies.ts'
import { type Fault, faults } from './faults.ts'
import { checkPlans } from './plans.ts'
import { copyTerraform, findTerraform, listFolders, type Terraform } from './terraform.ts'

const usage = `npm run test:terraform                     format, then init, validate and test of every root and module, the plans of the
                                           platform, and each fault of test/terraform/faults.ts, which has to be caught
npm run test:terraform -- FOLDER…          of these alone, such as modules/database; --no-faults leaves the faults out
npm run test:terraform -- --required       fails, too, where Terraform or its providers cannot be had`

/** What is wrong with one thing that was looked at; undefined where nothing is. */
type Check = { readonly name: string; readonly run: () => Promise<string | undefined> }

/** What can be told without providers, what needs them, and the faults, in the order in which a reader wants to hear of them. */
const checksOf = (terraform: Terraform, folders: readonly string[], withFaults: boolean): Check[] => [
  ...folders.map((folder) => ({ name: folder, run: () => terraform.check(folder) })),
  ...(folders.includes('platform')
    ? [
        { name: 'platform: what waits for what', run: () => checkDependencies(terraform) },
        { name: 'platform: what a change changes', run: () => checkPlans(terraform) },
      ]
    : []),
  ...(withFaults ? faults : [])
    .filter((fault) => folders.includes(fault.caughtBy))
    .map((fault) => ({ name: `fault: ${fault.name}`, run: () => isMissed(terraform, fault) })),
]

/** Undefined when a check of the folder fails for the fault, as it has to. */
const isMissed = async (terraform: Terraform, fault: Fault): Promise<string | undefined> => {
  const restore = await terraform.replace(fault.file, fault.find, fault.replace)
  try {
    const wrong = (await terraform.check(fault.caughtBy)) ?? (fault.check && (await fault.check(terraform)))
    if (wrong === undefined) return 'nothing fails for it'
    if (fault.said.test(wrong)) return undefined
    return `something fails for it, but says nothing of ${fault.said}:\n${wrong}`
  } finally {
    await restore()
  }
}

/** Tells why something was not looked at, and ends: with 1 only where it was required. */
const leaveOut = (why: string, isRequired: boolean): never => {
  console.log(`${why}\n${isRequired ? '0 passed, 1 failed' : 'left out: the tests of Terraform'}`)
  process.exit(isRequired ? 1 : 0)
}

const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { required: { type: 'boolean', default: false }, faults: { type: 'boolean', default: true } },
    allowNegative: true,
  })
  const known = await listFolders()
  const strange = positionals.filter((folder) => !known.includes(folder))
  if (strange.length > 0) throw new Error(`there is no terraform/${strange.join(', terraform/')}\n\n${usage}`)
  const found = await findTerraform()
  if ('missing' in found) return leaveOut(found.missing, values.required)
  await using terraform = await copyTerraform(found.path)
  const unformatted = await terraform.checkFormat()
  if (unformatted) throw new Error(`mend it with: terraform fmt -recursive terraform\n${unformatted}`)
  const absent = await terraform.findMissingProviders()
  if (absent) {
    await terraform[Symbol.asyncDispose]()
    return leaveOut(
      `The format is as it should be. No registry is reached, and no mirror has the providers:\n${absent}`,
      values.required,
    )
  }
  console.log(`${found.version}, ${await terraform.listProviders()}`)
  let failed = 0
  const checks = checksOf(terraform, positionals.length > 0 ? positionals : known, values.faults)
  for (const { name, run } of checks) {
    const startedAt = performance.now()
    const wrong = await run()
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    if (wrong !== undefined) failed++
    console.log(wrong === undefined ? `ok   ${name} (${seconds} s)` : `FAIL ${name} (${seconds} s): ${wrong}`)
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

await main()
