import type { ContentKind } from '#contract/content.ts'
import { publish } from '#core/publish.ts'
import { emit } from '#core/write.ts'
import { type ContentVersionRow, lockDrafts } from '#db/content.ts'
import { cell, type World } from './harness.ts'

/** Publishes a document in the world's cell, as an operator's publish does. @throws Error with what is wrong with it */
export const publishDocument = (
  { database, clock }: Pick<World, 'database' | 'clock'>,
  kind: ContentKind,
  document: unknown,
): Promise<ContentVersionRow> =>
  database.db.transaction(async (tx) => {
    await lockDrafts(tx)
    const now = new Date(clock())
    const published = await publish(
      tx,
      { now },
      { kind, document: JSON.stringify(document), author: 'command', note: 'test', rolledBackTo: null },
    )
    if (published.outcome !== 'published') throw new Error(JSON.stringify(published))
    await emit(tx, { cell, now, traceparent: '' }, published.events)
    return published.version
  })

/** Flags of every kind of answer, and an event that is on: what calls to the routes of both are about. */
export const examples = {
  flags: {
    attributes: { level: { type: 'number' }, team: { type: 'string' } },
    audiences: { veterans: { if: { attribute: 'level', atLeast: 10 } } },
    flags: {
      'new-shop': {
        type: 'boolean',
        variants: { on: true, off: false },
        default: 'off',
        rules: [{ if: { audience: 'veterans' }, serve: 'on' }],
        metadata: { owner: 'shop' },
      },
      'half-price': {
        type: 'number',
        variants: { full: 1, half: 0.5 },
        default: 'full',
        rules: [
          {
            split: [
              { variant: 'half', basisPoints: 5_000 },
              { variant: 'full', basisPoints: 5_000 },
            ],
          },
        ],
      },
      'team-colour': {
        type: 'string',
        variants: { red: 'red', blue: 'blue' },
        default: 'red',
        unit: 'team',
        rules: [
          {
            split: [
              { variant: 'red', basisPoints: 5_000 },
              { variant: 'blue', basisPoints: 5_000 },
            ],
          },
        ],
      },
      'of-the-player': {
        type: 'boolean',
        variants: { on: true, off: false },
        default: 'off',
        rules: [{ if: { attribute: 'player.id', startsWith: 'ply_' }, serve: 'on' }],
      },
      layout: { type: 'object', variants: { plain: { columns: 2 } }, default: 'plain' },
      greeting: { type: 'string', variants: { plain: 'Hello', festive: 'Ho ho 🛰' }, default: 'plain' },
      closed: { type: 'integer', enabled: false, variants: { none: 0, some: 7 }, default: 'none' },
    },
  },
  'live-events': {
    events: {
      'long-fest': {
        title: 'The long festival',
        schedule: { start: '2020-01-01T00:00:00.000Z', end: '2090-01-01T00:00:00.000Z' },
        rewards: [{ currency: 'coins', amount: 5 }],
        flags: { greeting: 'Welcome to the festival' },
        metadata: { colour: 'gold' },
      },
    },
  },
} as const

/** Publishes the examples of both kinds, in a world where nothing was published. */
export const publishExamples = async (world: Pick<World, 'database' | 'clock'>): Promise<void> => {
  await publishDocument(world, 'flags', examples.flags)
  await publishDocument(world, 'live-events', examples['live-events'])
}
