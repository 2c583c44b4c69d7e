import type { recordExposures as route } from '#contract/experiments.ts'
import type { PlayerId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import { type Context, playerOf } from '#core/context.ts'
import type { LiveContent } from '#core/live-content.ts'
import type { NewEvent, Outcome } from '#core/write.ts'
import type { Tx } from '#db/client.ts'
import { type ExposureRow, insertExposures } from '#db/exposures.ts'
import { advancePlayer, lockPlayer } from '#db/players.ts'

type Report = InputOf<typeof route>['body']['exposures'][number]

/**
 * Keeps what a player has seen of experiments. The first report of a unit in a run becomes an event, whoever reports it and
 * however many do at once; one that the experiment, as it is live, would not have given the unit is refused by itself.
 * Refuses with `not_found` for a player who was deleted.
 */
export const recordExposures = async (
  liveContent: LiveContent,
  tx: Tx,
  { ctx, input }: { readonly ctx: Context; readonly input: InputOf<typeof route> },
): Promise<Outcome<AnswerOf<typeof route>>> => {
  const { flags } = await liveContent()
  const playerId = playerOf(ctx)
  // What an erasure would have to find cannot come behind it.
  if (!(await lockPlayer(tx, playerId))) return { kind: 'refused', fault: new Fault('not_found') }
  const { exposures } = input.body
  const isGood = ({ experiment, run, unit, variant }: Report) => flags.variantOf(experiment, run, unit) === variant
  const good = new Map(exposures.filter(isGood).map((report) => [nameOf(report), report]))
  // In one order, lest two calls with the same units wait for each other.
  const sorted = [...good].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, report]) => report)
  const rows = sorted.map((report) => ({ ...report, playerId, exposedAt: ctx.now }))
  const recorded = await insertExposures(tx, rows)
  const untold = new Set(recorded.map(nameOf))
  const results = exposures.map((report) => {
    if (!isGood(report)) return { status: 'refused' as const }
    return { status: untold.delete(nameOf(report)) ? ('recorded' as const) : ('repeated' as const) }
  })
  return { kind: 'applied', answer: { results }, events: await eventsOf(tx, recorded, { playerId, now: ctx.now }) }
}

/** What a report is known by: neither a key nor a number has a space. */
const nameOf = ({ experiment, run, unit }: Pick<Report, 'experiment' | 'run' | 'unit'>) =>
  `${experiment} ${run} ${unit}`

/** One a row, with versions of the player's own row, which is locked: so those of one player are never told twice. */
const eventsOf = async (
  tx: Tx,
  recorded: readonly ExposureRow[],
  { playerId, now }: { readonly playerId: PlayerId; readonly now: Date },
): Promise<NewEvent[]> => {
  if (recorded.length === 0) return []
  const last = await advancePlayer(tx, { playerId, by: recorded.length, now })
  return recorded.map(({ experiment, run, variant, unit }, at) => ({
    type: 'perigee.experiment.exposed.v1',
    aggregate: `exposure:${playerId}`,
    version: last - recorded.length + 1 + at,
    data: { playerId, experiment, run, variant, unit },
    moved: [],
  }))
}
