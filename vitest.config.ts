import { configDefaults, defineConfig } from 'vitest/config'
import { compileCache } from './test/compile-cache.ts'

/**
 * Tests whose load and time limits leave a machine of two cores no room for others: they run last, one after the other. What they
 * show they show beside others too; on a machine that is busy enough they would show the machine.
 */
const alone = [
  'fuzz',
  'hung-up',
  'refresh',
  'guarantees/cache-privacy',
  'guarantees/core-dark',
  'guarantees/deadline',
  'guarantees/drain',
  'guarantees/invalidation',
  'guarantees/limiter',
  'guarantees/overload',
  'guarantees/postgres-failover',
  'guarantees/read-your-writes',
  'guarantees/retry-budget',
  'guarantees/revoke',
  'guarantees/stale-fill',
  'guarantees/stampede',
].map((name) => `test/${name}.test.ts`)

/** The longest of the long forms, a core under load and killed 50 times, takes about ten minutes. */
const testTimeout = process.env.PERIGEE_LONG ? 3_600_000 : 60_000
const shared = {
  pool: 'forks',
  testTimeout,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 10_000 } },
  // Node's own loader, which runs the core too.
  experimental: { viteModuleRunner: false },
  env: compileCache,
} as const
const exclude = [...configDefaults.exclude, 'test/fixtures/**']

export default defineConfig({
  test: {
    globalSetup: './test/setup.ts',
    projects: [
      {
        extends: false,
        test: {
          ...shared,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, ...alone],
          // Two cores carry Postgres, the emulator and workerd as well.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: false,
        test: { ...shared, name: 'alone', include: alone, exclude, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
