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

/** Of a folder, what is looked at: itself, and of the root that joins all, what waits for what and what a change changes. */
const checksOf = (terraform: Terraform, folder: string): Check[] => [
  { name: folder, run: () => terraform.check(folder) },
  ...(folder === 'platform'
    ? [
        { name: 'platform: what waits for what', run: () => checkDependencies(terraform) },
        { name: 'platform: what a change changes', run: () => checkPlans(terraform) },
      ]
    : []),
]

/** Undefined when a check of the folder fails for the fault, and says why, as it has to. */
const isMissed = async (terraform: Terraform, fault: Fault): Promise<string | undefined> => {
  const restore = await terraform.replace(fault.file, fault.find, fault.replace)
  try {
    const said: string[] = []
    // The quick ones first: which of them says it is all the same.
    for (const { run } of checksOf(terraform, fault.caughtBy).toReversed()) {
      const wrong = await run()
      if (wrong !== undefined && fault.said.test(wrong)) return undefined
      if (wrong !== undefined) said.push(wrong)
    }
    return said.length === 0
      ? 'nothing fails for it'
      : `something fails for it, but says nothing of ${fault.said}:\n${said.join('\n')}`
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
  const folders = positionals.length > 0 ? positionals : known
  const checks = [
    ...folders.flatMap((folder) => checksOf(terraform, folder)),
    ...(values.faults ? faults : [])
      .filter(({ caughtBy }) => folders.includes(caughtBy))
      .map((fault) => ({ name: `fault: ${fault.name}`, run: () => isMissed(terraform, fault) })),
  ]
  for (const { name, run } of checks) {
    const startedAt = performance.now()
    const wrong = await run().catch((error: unknown) => String(error))
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    if (wrong !== undefined) failed++
    console.log(wrong === undefined ? `ok   ${name} (${seconds} s)` : `FAIL ${name} (${seconds} s): ${wrong}`)
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

await main()
