import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyWorktree, type Worktree } from './worktree.ts'

const fixture = fileURLToPath(new URL('./fixtures/feature', import.meta.url))

let copy: Worktree
beforeAll(async () => {
  copy = await copyWorktree()
})
afterAll(() => copy?.remove())

/** The checklist of docs/adding-a-feature.md, with a fictitious feature: mottos. */
const addFeature = async ({ folder, replace }: Worktree) => {
  await cp(fixture, folder, { recursive: true })
  await replace('contract/routes.ts', '} satisfies RouteTable', '  ...{ getMotto, putMotto },\n} satisfies RouteTable')
  await replace(
    'contract/routes.ts',
    'import { getDocs,',
    "import { getMotto, putMotto } from './mottos.ts'\nimport { getDocs,",
  )
  await replace(
    'contract/events.ts',
    'export const events = {',
    "export const events = {\n  'perigee.motto.chosen.v1': defineEvent({ description: 'A motto was chosen.', aggregate: 'motto:{playerId}', data: z.object({ playerId: playerIdSchema, text: z.string() }) }),",
  )
  await replace('core/platform.ts', '...walletRoutes,', '...walletRoutes,\n              ...mottoRoutes,')
  await replace(
    'core/platform.ts',
    'import { playerRoutes }',
    "import { mottoRoutes } from './mottos/routes.ts'\nimport { playerRoutes }",
  )
  await replace('drizzle.config.ts', "'idempotency',", "'idempotency', 'mottos',")
}

test('a feature added by the checklist runs through the edge and touches no file under edge/', {
  timeout: 180_000,
}, async () => {
  await addFeature(copy)
  const generated = [
    await copy.run('node', ['contract/write-documents.ts'], 30_000),
    await copy.run('drizzle-kit', ['generate', '--name=mottos'], 60_000),
  ]
  expect(generated.map(({ code }) => code)).toEqual([0, 0])
  for (const config of ['tsconfig.json', 'tsconfig.worker.json']) {
    expect(await copy.run('tsc', ['-p', config], 60_000)).toEqual({ code: 0, output: '' })
  }
  const lint = await copy.run('biome', ['lint', '--vcs-enabled=false', 'contract', 'core', 'db', 'edge'], 60_000)
  expect(lint.code, lint.output).toBe(0)

  const tested = await copy.run('vitest', ['run', 'test/mottos.test.ts'], 120_000)
  expect(tested.code, tested.output).toBe(0)
  expect(tested.output).toMatch(/1 passed/)

  const steps = await readFile(join(copy.folder, 'docs/adding-a-feature.md'), 'utf8')
  for (const place of ['contract/routes.ts', 'contract/events.ts', 'core/platform.ts', 'drizzle.config.ts'])
    expect(steps).toContain(place)
})

const forbidden = [
  ['contract/x.ts', "import { openDatabase } from '#db/client.ts'", 'The contract imports zod and nothing of ours.'],
  ['core/wallet/x.ts', "import { authRoutes } from '#core/auth/routes.ts'", 'A feature never imports another'],
  ['core/wallet/x.ts', "import { sql } from 'drizzle-orm'", 'SQL lives in db/.'],
  ['core/x.ts', "import { createRedis } from '#infra/redis.ts'", 'Adapters are made in main.ts.'],
  ['edge/x.ts', "import { readFile } from 'node:fs'", 'The edge knows contract and ports'],
  ['edge/x.ts', "import { sha256 } from '#core/secrets.ts'", 'The edge knows contract and ports'],
  ['db/x.ts', "import { createWrite } from '#core/write.ts'", 'The database knows the contract only.'],
  ['infra/x.ts', "import { errors } from '#contract/errors.ts'", 'What we do not own knows nothing of ours.'],
  ['core/x.ts', "import { sha256 } from '../core/secrets.ts'", 'Across folders, import by #folder/file.ts'],
  ['core/x.ts', "import { startWorld } from '#test/harness.ts'", 'The core knows neither edge nor tests'],
] as const

test.each(forbidden)('the lint refuses in %s: %s', async (file, line, message) => {
  const name = /\{ (\w+) \}/.exec(line)?.[1]
  const path = join(copy.folder, file)
  await writeFile(path, `${line}\nexport const used = ${name}\n`)
  const { code, output } = await copy.run('biome', ['lint', '--vcs-enabled=false', file], 30_000)
  await rm(path)
  expect(code).toBe(1)
  expect(output).toContain(message)
})
