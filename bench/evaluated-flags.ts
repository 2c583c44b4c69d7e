import type { Condition } from '#contract/evaluate/condition.ts'
import { publish } from '#core/publish.ts'
import { openDatabase } from '#db/client.ts'
import { lockDrafts } from '#db/content.ts'

/** As many as a large game has, and what an evaluation must be quick with. */
const flagsCount = 1_000
const rulesCount = 20

/** The flag that is evaluated by itself. */
export const evaluatedKey = 'flag-500'

/** Attributes of a player, none of which any rule is for: each flag tries all of its rules. */
export const evaluatedContext = {
  targetingKey: 'ply_eu1_01jd0000000000000000000000',
  level: 12,
  country: 'DE',
  plan: 'free',
  appVersion: '1.4.2',
  device: { os: 'ios', model: 'iPhone15,3' },
}

/** The kinds of comparison that rules are made of, in turn. */
const missing: readonly ((at: number) => Condition)[] = [
  (at) => ({ attribute: 'level', atLeast: 100 + at }),
  (at) => ({ attribute: 'country', equals: `X${at}` }),
  (at) => ({
    all: [
      { attribute: 'level', atMost: 50 },
      { attribute: 'plan', oneOf: [`gold-${at}`, 'platinum'] },
    ],
  }),
  (at) => ({ attribute: 'device.model', startsWith: `Pixel${at}` }),
  (at) => ({ attribute: 'appVersion', atLeast: `2.${at}.0` }),
  () => ({ audience: 'whales' }),
]

const flagOf = (flag: number) => ({
  type: 'string',
  variants: { plain: `value ${flag}`, other: `another ${flag}` },
  default: 'plain',
  rules: Array.from({ length: rulesCount }, (_, rule) => ({
    if: missing[rule % missing.length]?.(flag + rule),
    serve: 'other',
  })),
})

const document = {
  attributes: {
    level: { type: 'number' },
    country: { type: 'string' },
    plan: { type: 'string' },
    appVersion: { type: 'version' },
    'device.model': { type: 'string' },
  },
  audiences: {
    whales: {
      if: {
        all: [
          { attribute: 'level', atLeast: 50 },
          { attribute: 'plan', equals: 'gold' },
        ],
      },
    },
  },
  flags: Object.fromEntries(Array.from({ length: flagsCount }, (_, at) => [`flag-${at}`, flagOf(at)])),
}

/** Publishes the flags in the database of a stage. @throws Error with what is wrong with them */
export const publishEvaluated = async (url: string): Promise<void> => {
  const database = openDatabase({ url, poolMax: 2, statementTimeoutMs: 10_000, applicationName: 'perigee-bench' })
  try {
    await database.db.transaction(async (tx) => {
      await lockDrafts(tx)
      const given = { document: JSON.stringify(document), author: 'command', note: 'bench', rolledBackTo: null }
      const published = await publish(tx, { now: new Date() }, { kind: 'flags', ...given })
      if (published.outcome !== 'published') throw new Error(JSON.stringify(published))
    })
  } finally {
    await database.close(1_000)
  }
}
