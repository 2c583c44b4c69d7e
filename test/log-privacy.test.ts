import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CollectedSpan } from '#infra/local/collector.ts'
import { checkedFetch } from './checked-fetch.ts'
import { eventually } from './eventually.ts'
import { publishExamples } from './published.ts'
import { makeSpareContent } from './spare-content.ts'
import { makeSpareOperators } from './spare-operators.ts'
import { makeSpareSessions } from './spare-sessions.ts'
import { requestOf, table, validCall, withBody, withHeaders } from './valid-call.ts'
import { startWatchedWorld, type WatchedWorld } from './watched-world.ts'

let world: WatchedWorld
beforeAll(async () => {
  world = await startWatchedWorld()
  await publishExamples(world)
})
afterAll(() => world?.stop())

/** What must not be found in a log, by what it is. */
const secrets = new Map<string, string>()
const secret = (what: string, text: string): string => {
  secrets.set(text, what)
  return text
}

const expectSilence = () => {
  expect(world.logLines.length).toBeGreaterThan(0)
  const all = world.logLines.join('\n')
  const told = [...secrets].filter(([text]) => all.includes(text))
  const lineOf = (text: string) => world.logLines.find((line) => line.includes(text))
  expect(told.map(([text, what]) => `${what} in: ${lineOf(text)}`)).toEqual([])
}

/** Looked for in what was sent as a whole: names of attributes and metrics, ids and values alike. */
const expectNothingExported = () => {
  expect(world.spans.length).toBeGreaterThan(0)
  expect(world.points.length).toBeGreaterThan(0)
  const sent = world.exported.join('\n')
  const told = [...secrets].filter(([text]) => sent.includes(text)).map(([, what]) => what)
  expect(told, 'what was exported and is a secret').toEqual([])
  expect(/[\w.+-]+@[\w-]+\.\w+/.exec(sent)?.[0], 'an address').toBeUndefined()
  expect(/ply_[a-z]+\d+_\w+/.exec(sent)?.[0], 'the id of a player').toBeUndefined()
}

const deviceId = () => secret('a device id', randomUUID())
const displayName = () => secret('a display name', `Name ${randomUUID().slice(0, 12)}`)

/** Every route once as it should be, and once with each part spoilt that could hold what is not to be told. */
const callEverything = async () => {
  const player = await world.signIn(deviceId())
  secret('an access token', player.accessToken)
  secret('a refresh token', player.refreshToken)
  const spares = await makeSpareSessions(world, 200)
  await makeSpareContent(world)
  const send = async (request: Request) => (await checkedFetch(request)).text()
  for (const [name] of table) {
    const call = validCall({ world, player, spares }, name)
    if (call.route.access === 'player')
      secret('an access token', call.headers.authorization?.slice('Bearer '.length) ?? '')
    const token = secret('a token in a query', randomUUID())
    await send(requestOf(world.edgeUrl, { ...call, path: `${call.path}?access_token=${token}` }))
    for (const header of ['authorization', 'x-api-key', 'cookie', 'idempotency-key', 'perigee-consistency'])
      await send(
        requestOf(world.edgeUrl, withHeaders(call, { [header]: secret(`a value of ${header}`, randomUUID()) })),
      )
    if (!call.route.body) continue
    for (const body of [`{"deviceId":"${deviceId()}"`, `{"displayName":"${displayName()}\\u0000"}`, `"${deviceId()}"`])
      await send(requestOf(world.edgeUrl, withBody(call, body)))
  }
  const { body } = await world.client().signInWithDevice({ body: { deviceId: deviceId(), displayName: displayName() } })
  const refreshed = await world
    .client()
    .refreshSession({ body: { refreshToken: secret('a refresh token', body.refreshToken) } })
  secret('an access token', refreshed.body.accessToken)
  secret('a refresh token', refreshed.body.refreshToken)
  await player.client.updateOwnProfile({ body: { displayName: displayName() } })
  await beOperator(0)
  await beOperator(3).catch(() => {})
  return player
}

const signInWithoutAccount = () =>
  world
    .client()
    .createOperatorSession({ body: { secret: secret("an operator's secret", randomUUID()), code: '123456' } })

/** Signs in with the code of so many steps after now's, and out again. */
const beOperator = async (steps: number) => {
  const [operator] = await makeSpareOperators(world, { count: 1 })
  if (!operator) throw new Error('one was asked for')
  secret('the name of an operator', operator.name)
  const credential = { secret: secret("an operator's secret", operator.secret), code: operator.code(steps) }
  const { body } = await world.client().createOperatorSession({ body: credential })
  await world.client({ bearer: secret("an operator's key", body.key) }).endOperatorSession()
}

test('no line of core, edge or the audit log tells a token, a key, a device id or a name, while all is well or when a caller errs', async () => {
  for (const key of Object.values(world.keys)) secret('an API key', key)
  for (const keys of Object.values(world.secrets)) secret('a master or edge key', keys.replace(/^\w+:/, ''))
  await callEverything()
  expectSilence()
  const audit = (await world.sql`select row_to_json(audit_log)::text as row from audit_log`).map(({ row }) => row)
  expect(audit.length).toBeGreaterThan(3)
  for (const [text, what] of secrets) expect(audit.join().includes(text), `${what} in the audit log`).toBe(false)
  console.log(`log-privacy: ${secrets.size} secrets, ${world.logLines.length} lines, 0 found`)
})

test('nor does any attribute of a span or a metric, of which there are some of every route', async () => {
  const isOf =
    (route: string) =>
    ({ attributes }: CollectedSpan) =>
      attributes['http.route'] === route
  // What edges answer alone, cores do not see.
  const served = table.filter(([, { delivery }]) => delivery.kind !== 'local')
  await eventually(async () => served.every(([, { path }]) => world.spans.some(isOf(path))), 15_000)
  expectNothingExported()
  console.log(`log-privacy: ${world.spans.length} spans, ${world.points.length} points of metrics, 0 found`)
})

const breakages = [
  ['a table is gone', 'alter table players rename to players_gone', 'alter table players_gone rename to players'],
  [
    'a write breaks a constraint',
    "alter table players add constraint test_name check (display_name not like 'Name%') not valid",
    'alter table players drop constraint test_name',
  ],
  [
    'accounts are gone',
    'alter table operators rename to operators_gone',
    'alter table operators_gone rename to operators',
  ],
  [
    'a value has no place',
    'alter table credentials alter column credential_hash type varchar(10) using left(credential_hash, 10)',
    'alter table credentials alter column credential_hash type text',
  ],
  [
    'the ledger refuses',
    "alter table wallet_transactions add constraint test_reason check (reason not like 'Reason%') not valid",
    'alter table wallet_transactions drop constraint test_reason',
  ],
] as const

test.each(breakages)('nor when %s and the error is logged', async (_, damage, repair) => {
  const player = await world.signIn()
  const linesBefore = world.logLines.length
  await world.sql.unsafe(damage)
  const reason = secret('a reason', `Reason ${randomUUID()}`)
  const server = world.client({ bearer: world.keys.server })
  const results = await Promise.allSettled([
    world.client().signInWithDevice({ body: { deviceId: deviceId(), displayName: displayName() } }),
    world.client().refreshSession({ body: { refreshToken: secret('a refresh token', player.refreshToken) } }),
    player.client.updateOwnProfile({
      body: { displayName: displayName(), metadata: { secret: secret('metadata', randomUUID()) } },
    }),
    server.createWalletTransaction({
      params: { playerId: player.playerId },
      body: { changes: [{ currency: 'coins', amount: 1 }], reason },
    }),
    ...(damage.includes('operators') ? [signInWithoutAccount()] : []),
  ])
  await world.sql.unsafe(repair)
  expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
  const errors = world.logLines.slice(linesBefore).filter((line) => line.includes('"ERROR"'))
  expect(errors.length).toBeGreaterThan(0)
  expectSilence()
  expectNothingExported()
})
