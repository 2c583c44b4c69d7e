import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** `npm run test:long -- <name>`: one guarantee, or several, in the figures of its long form. */

const folder = fileURLToPath(new URL('./guarantees/', import.meta.url))
const names = readdirSync(folder).map((file) => file.replace('.test.ts', ''))
const { positionals, values } = parseArgs({ allowPositionals: true, options: { seed: { type: 'string' } } })
const unknown = positionals.filter((name) => !names.includes(name))
if (positionals.length === 0 || unknown.length > 0) {
  console.error(`npm run test:long -- NAME… [--seed N]; the names are ${names.join(', ')}`)
  process.exit(1)
}

const files = positionals.map((name) => `test/guarantees/${name}.test.ts`)
const { status } = spawnSync('vitest', ['run', ...files], {
  stdio: 'inherit',
  env: { ...process.env, PERIGEE_LONG: '1', ...(values.seed === undefined ? {} : { PERIGEE_SEED: values.seed }) },
})
process.exit(status ?? 1)
