import type { Client } from '#contract/client.ts'
import type { ContentKind } from '#contract/content.ts'
import type { routes } from '#contract/routes.ts'
import { expectThat, operatorOf, type Player, step, type Target } from './demo-player.ts'

/** From a publish to the last edge, as docs/live-ops.md states it. */
const boundMs = 10_000
/** Each question is a line that somebody reads. */
const pauseMs = 1_000

type Operator = Client<typeof routes>

/** Changes a part of the draft and publishes it, as an operator would; answers with the number of the document. */
const publish = async (operator: Operator, kind: ContentKind, patch: Record<string, unknown>, note: string) => {
  const params = { kind }
  const { revision } = (await operator.getContent({ params })).body
  const drafted = await operator.patchDraft({ params, body: { patch } }, ifMatch(revision))
  const { changes, faults } = (await operator.diffDraft({ params })).body
  expectThat(faults.length === 0, `the draft can be published: ${JSON.stringify(faults)}`)
  for (const { change, pointer } of changes) console.log(`    ${change} ${pointer}`)
  const published = await operator.publishContent({ params, body: { note } }, ifMatch(drafted.body.revision))
  return published.body.version?.number ?? 0
}

const ifMatch = (revision: number) => ({ headers: { 'if-match': `"${revision}"` } })

/** Asks until what is answered is as it should be, and says how long that took. @throws Error past the bound */
const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
  const since = performance.now()
  while (!(await isSo())) {
    expectThat(performance.now() - since <= boundMs, `${what} within ${boundMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  console.log(`    ${what} after ${Math.round(performance.now() - since)} ms; the bound is ${boundMs} ms`)
}

/** A flag is published, seen at the edge and taken back; a live event is on, and its reward is claimed once. */
export const playLiveOps = async (target: Target & { readonly operatorKey: string }, player: Player): Promise<void> => {
  const operator = operatorOf(target)
  const banner = async () => {
    const context = { targetingKey: player.id, level: 12 }
    return (await player.client.evaluateFlag({ params: { key: 'demo-banner' }, body: { context } })).body
  }
  const flagOf = (value: string) => ({
    attributes: { level: { type: 'number' } },
    flags: {
      'demo-banner': {
        type: 'string',
        variants: { none: '', festive: value },
        default: 'none',
        rules: [{ if: { attribute: 'level', atLeast: 10 }, serve: 'festive' }],
      },
    },
  })
  const [before, after] = [`Welcome, ${Date.now() % 1_000}`, `Sale, ${Date.now() % 1_000}`]

  step('An operator publishes a flag for players of level 10, and every edge answers from it')
  const number = await publish(operator, 'flags', flagOf(before), 'the demo greets')
  await until(`the player sees "${before}"`, async () => (await banner()).value === before)
  await publish(operator, 'flags', flagOf(after), 'the demo sells')
  await until(`the player sees "${after}"`, async () => (await banner()).value === after)
  const context = { targetingKey: player.id, level: 9 }
  const { body: why } = await operator.evaluateAs({ body: { context, flags: ['demo-banner'] } })
  const compared = why.flags[0]?.steps[0]?.compared[0]
  console.log(
    `    at level 9 there is none: ${compared?.attribute} is ${compared?.actual}, the rule is for ${compared?.operand} and more`,
  )

  step('One call brings the former one back')
  const { revision } = (await operator.getContent({ params: { kind: 'flags' } })).body
  await operator.rollBackContent(
    { params: { kind: 'flags' }, body: { number, note: 'the demo has sold enough' } },
    ifMatch(revision),
  )
  await until(`the player sees "${before}" again`, async () => (await banner()).value === before)

  step('A live event is on by the clock; its reward is claimed once')
  const startsAt = Date.now()
  const schedule = {
    start: new Date(startsAt).toISOString(),
    end: new Date(startsAt + 3_600_000).toISOString(),
    run: Math.floor(startsAt / 1_000),
  }
  const event = { title: 'Demo hour', schedule, requiresJoin: true, rewards: [{ currency: 'coins', amount: 5 }] }
  await publish(operator, 'live-events', { events: { 'demo-hour': event } }, 'the demo plays')
  const params = { runId: `demo-hour.${schedule.run}` }
  const isOn = async () =>
    (await player.client.listLiveEvents({ query: {} })).body.runs.some(
      ({ runId, state }) => runId === params.runId && state === 'active',
    )
  await until('it is on', isOn)
  await player.client.joinLiveEvent({ params, body: {} })
  const first = await player.client.claimLiveEvent({ params, body: {} })
  const again = await player.client.claimLiveEvent({ params, body: {} })
  expectThat(
    first.body.transactionId === again.body.transactionId,
    'a second claim, with another key, is the first one',
  )
}
