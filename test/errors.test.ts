import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errors } from '#contract/errors.ts'
import { newId, type PlayerId } from '#contract/ids.ts'
import { errorsOf, type Route } from '#contract/route.ts'
import { checkedFetch } from './checked-fetch.ts'
import { cell } from './harness.ts'
import { byCode, byRoute } from './provocations.ts'
import { type Stage, startStage } from './stage.ts'
import { requestOf, table, validCall, withHeaders } from './valid-call.ts'

/** What a route declares and nothing here can bring about, and why. Every pair that this names is declared. */
const cannotBeProvoked: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['signInWithGoogle', 'signInWithApple', 'linkGoogle', 'linkApple'].map((name) => [
      `${name} provider_unknown`,
      'the stage believes both; test/oidc-sign-in.test.ts has a deployment that does not',
    ]),
  ),
  'updateOwnProfile not_found':
    'a write asks for a live session first, which goes with its player: only a deletion between two statements gets here',
  'recordExposures not_found': 'the same',
  'mergeAccounts not_found': 'the same, with a merge of the caller between two statements (test/merge.test.ts)',
}

const declared = table.flatMap(([name, route]) =>
  errorsOf(route).map((code) => ({ name, code, pair: `${name} ${code}` })),
)
const provoked = declared.filter(({ pair }) => !(pair in cannotBeProvoked))

let stage: Stage
beforeAll(async () => {
  stage = await startStage()
})
afterAll(() => stage?.stop())

test('what is said to be impossible to provoke, or provoked for one route, is declared by that route', () => {
  const pairs = declared.map(({ pair }) => pair)
  for (const pair of [...Object.keys(cannotBeProvoked), ...Object.keys(byRoute)]) expect(pairs).toContain(pair)
})

describe.concurrent('every error that a route declares is answered by it', () => {
  test.each(provoked)('$pair', async ({ name, code, pair }) => {
    const provocation = byRoute[pair] ?? byCode[code]
    if (!provocation) throw new Error(`${pair} has no provocation: add one to test/provocations.ts`)
    const response = await provocation(stage, validCall(stage, name))
    const problem = JSON.parse(await response.text())
    expect([problem.code, response.status], JSON.stringify(problem)).toEqual([code, errors[code].status])
  })
})

const closed = table.filter(([, route]) => route.access !== 'public')

test.each(closed)('%s is refused without credentials, and with those of another kind', async (name, route) => {
  const nothing = { authorization: undefined, 'x-api-key': undefined }
  const { world, player } = stage
  const kinds = [
    ['player', player.accessToken],
    ['server', world.keys.server],
    ['operator', world.keys.operator],
    ['client', world.keys.publishable],
  ] as const
  const isGood = (kind: string, header: string) =>
    route.access === 'app'
      ? kind === 'client' || (kind === 'player' && header === 'bearer')
      : kind === route.access && (kind === 'client') === (header === 'key')
  const others = [
    ...kinds.filter(([kind]) => !isGood(kind, 'bearer')).map(([, text]) => ({ authorization: `Bearer ${text}` })),
    ...kinds.filter(([kind]) => !isGood(kind, 'key')).map(([, text]) => ({ 'x-api-key': text })),
    { authorization: 'Basic YTpi' },
    { authorization: 'Bearer' },
    {},
  ]
  for (const credentials of others) {
    const call = withHeaders(validCall(stage, name), { ...nothing, ...credentials })
    const response = await checkedFetch(requestOf(world.edgeUrl, call))
    expect(response.status, `${route.access}: ${JSON.stringify(credentials)}`).toBe(401)
    expect(response.headers.get('www-authenticate'), 'WWW-Authenticate').toMatch(/^Bearer/)
  }
})

const onePlayer = table.filter(
  ([, route]: readonly [string, Route]) => route.params && 'playerId' in route.params.shape,
)

test.each(onePlayer)(
  'to %s a player who never was, who was deleted, or who lives in no cell of ours is the same 404',
  async (name) => {
    const deleted = await stage.world.signIn()
    const { sql } = stage.world
    for (const from of ['sessions', 'credentials', 'wallets', 'players'])
      await sql`delete from ${sql(from)} where player_id = ${deleted.playerId}`
    const elsewhere = newId('player', cell, Date.now()).replace(`_${cell}_`, '_us1_') as PlayerId
    const bodies = []
    for (const playerId of [newId('player', cell, Date.now()), deleted.playerId, elsewhere]) {
      const call = validCall(stage, name, { params: { playerId } })
      // Twice: the second answer of a cached route comes from the cache.
      for (const key of ['masked-first', 'masked-again']) {
        const asked = call.headers['idempotency-key'] ? withHeaders(call, { 'idempotency-key': key + playerId }) : call
        const response = await checkedFetch(requestOf(stage.world.edgeUrl, asked))
        const { requestId, ...body } = JSON.parse(await response.text())
        expect(requestId).toBe(response.headers.get('x-request-id'))
        bodies.push(JSON.stringify([response.status, body]))
      }
    }
    expect([...new Set(bodies)]).toEqual([
      JSON.stringify([
        404,
        { type: '/docs/errors/not_found.md', title: errors.not_found.title, status: 404, code: 'not_found' },
      ]),
    ])
  },
)

test('the table’s declarations are all provoked but those of the list', () => {
  console.log(
    `errors: ${provoked.length} of ${declared.length} declared pairs provoked, ${declared.length - provoked.length} excused`,
  )
  expect(provoked.length + Object.keys(cannotBeProvoked).length).toBe(declared.length)
})
