import { randomUUID } from 'node:crypto'
import { documentBytesMax } from '#contract/content.ts'
import { parseNamedKeys } from '#contract/edge-request.ts'
import { type ErrorCode, errors } from '#contract/errors.ts'
import { cellSchema, newId, type PlayerId } from '#contract/ids.ts'
import { createApiKey } from '#core/api-keys.ts'
import { encodeToken, firstToken } from '#core/auth/refresh-token.ts'
import { createSecrets } from '#core/secrets.ts'
import { checkedFetch } from './checked-fetch.ts'
import { makeDevice } from './device.ts'
import { eventually } from './eventually.ts'
import { cell } from './harness.ts'
import type { Stage } from './stage.ts'
import { addressOf, type Call, callerOf, requestOf, validCall, withBody, withHeaders } from './valid-call.ts'
import { forbiddenName } from './world-cell.ts'

/** Makes a route answer with a code, through an edge, and hands the answer back. It was held to the contract by then. */
export type Provocation = (stage: Stage, call: Call) => Promise<Response>

const send = (edgeUrl: string, call: Call): Promise<Response> => checkedFetch(requestOf(edgeUrl, call))

/** The valid call, spoilt in one way. */
const spoilt =
  (spoil: (call: Call) => Call): Provocation =>
  (stage, call) =>
    send(stage.world.edgeUrl, spoil(call))

/** The valid call, with other values for members of its body. */
const withMembers = (call: Call, members: object): Call =>
  withBody(call, JSON.stringify({ ...JSON.parse(call.body ?? '{}'), ...members }))

/** Signs in, has something happen to the player, and signs in again. */
const onceSignedIn =
  (happens: (sql: Stage['world']['sql'], playerId: string) => PromiseLike<unknown>): Provocation =>
  async (stage, call) => {
    const { player } = (await (await send(stage.world.edgeUrl, call)).json()) as { player: { id: string } }
    await happens(stage.world.sql, player.id)
    return send(stage.world.edgeUrl, call)
  }

/** An example of the same route with other parts. */
const instead =
  (over: (stage: Stage) => Parameters<typeof validCall>[2] | Promise<Parameters<typeof validCall>[2]>): Provocation =>
  async (stage, call) =>
    send(stage.world.edgeUrl, validCall(stage, call.name, await over(stage)))

const wrongKey: Readonly<Record<string, Record<string, string>>> = {
  client: { 'x-api-key': 'pk_wrong' },
  app: { 'x-api-key': 'pk_wrong' },
  server: { authorization: 'Bearer sk_wrong' },
  operator: { authorization: 'Bearer ok_wrong' },
}

const withoutCredentials = (call: Call) => withHeaders(call, { authorization: undefined, 'x-api-key': undefined })

/** The call with a key that may less. */
const lowly =
  (kind: 'server' | 'operator'): Provocation =>
  async ({ world: { database, edgeUrl, sql } }, call) => {
    const rights = kind === 'server' ? { scopes: ['*'], role: undefined } : { scopes: [], role: 'viewer' }
    const given = { kind, name: 'lowly', origins: [], ...rights, cell, now: new Date() }
    const { keyId, key } = await createApiKey(database.db, given)
    await sql`update api_keys set scopes = '{other:write}' where key_id = ${keyId} and kind = 'server'`
    return send(edgeUrl, withHeaders(call, { authorization: `Bearer ${key}` }))
  }

/** What one code takes on any route that can answer it. */
export const byCode: { readonly [Code in ErrorCode]?: Provocation } = {
  unauthenticated: spoilt(withoutCredentials),
  key_invalid: spoilt((call) => withHeaders(call, wrongKey[call.route.access] ?? {})),
  token_invalid: spoilt((call) => withHeaders(call, { authorization: 'Bearer not.a.token', 'x-api-key': undefined })),
  token_expired: async (stage, call) =>
    send(
      stage.world.edgeUrl,
      withHeaders(call, { authorization: `Bearer ${await stage.expiredToken()}`, 'x-api-key': undefined }),
    ),
  origin_not_allowed: spoilt((call) => withHeaders(call, { origin: 'https://evil.example' })),
  scope_missing: lowly('server'),
  role_insufficient: lowly('operator'),
  malformed_json: spoilt((call) => withBody(call, '{"')),
  invalid_request: spoilt((call) =>
    call.route.body ? withBody(call, '{"noSuchMember":1}') : { ...call, path: call.route.path.replace(/\{\w+\}/, '!') },
  ),
  body_too_large: spoilt((call) =>
    withBody(call, JSON.stringify({ text: 'x'.repeat(call.route.bodyBytesMax ?? 65_536) })),
  ),
  unsupported_media_type: spoilt((call) => withHeaders(call, { 'content-type': 'text/plain' })),
  headers_too_large: spoilt((call) => withHeaders(call, { 'perigee-consistency': 'x'.repeat(8_192) })),
  idempotency_key_missing: spoilt((call) => withHeaders(call, { 'idempotency-key': undefined })),
  idempotency_key_invalid: spoilt((call) => withHeaders(call, { 'idempotency-key': 'white space' })),
  idempotency_mismatch: async (stage, call) => {
    await send(stage.world.edgeUrl, call)
    if (call.route.body) return send(stage.world.edgeUrl, withBody(call, `${call.body} `))
    // What takes no body is told apart by what it is done to.
    const isContent = call.route.params !== undefined && 'kind' in call.route.params.shape
    const params = isContent ? { kind: 'flags' } : { playerId: stage.spares.next().playerId }
    const other = validCall(stage, call.name, { params })
    return send(stage.world.edgeUrl, { ...call, path: other.path })
  },
  idempotency_in_flight: (stage, call) => stage.whileKeyIsTaken(call, () => send(stage.world.edgeUrl, call)),
  too_many_requests: async (stage, call) => {
    // Others of this address have been served by now. A third time, because the seconds may have begun anew.
    const answers = []
    for (let time = 0; time < 3; time++) answers.push(await send(stage.edges.strict, call))
    return answers.find(({ status }) => status === 429) ?? Response.json(answers.map(({ status }) => status))
  },
  unavailable: (stage, call) => send(stage.edges.closed, call),
  overloaded: (stage, call) => send(stage.edges.overloaded, call),
  deadline_exceeded: async (stage, call) => {
    await untilAsked(stage)
    // A route that is cached must not be answered from a copy.
    const asked =
      call.route.delivery.kind === 'cached' ? validCall(stage, call.name, { params: unknownPlayer() }) : call
    return send(stage.edges.silent, asked)
  },
  internal: (stage, call) => send(stage.edges.broken, call),
  player_banned: onceSignedIn(
    (sql, id) =>
      sql`update players set banned_until = now() + interval '1 day', ban_reason = 'test' where player_id = ${id}`,
  ),
  deletion_pending: onceSignedIn(
    (sql, id) => sql`update players set delete_at = now() + interval '1 day' where player_id = ${id}`,
  ),
  // Not signed by anybody.
  credential_invalid: spoilt((call) => withMembers(call, { idToken: 'e30.e30.e30' })),
  credential_refused: spoilt((call) => withMembers(call, { idToken: 'e30.e30.e30' })),
  provider_unknown: spoilt((call) => withMembers(call, { provider: 'nobody' })),
  credential_taken: async (stage, call) => {
    const body = JSON.parse(call.body ?? '')
    await send(stage.world.edgeUrl, validCall(stage, call.name.replace('link', 'signInWith'), { body }))
    return send(stage.world.edgeUrl, call)
  },
  links_full: async (stage, call) => {
    await stage.world.sql`insert into credentials (provider, credential_hash, player_id, created_at)
      select 'device', ${callerOf(call)}::text || n, ${callerOf(call)}, now() from generate_series(1, 20) n`
    return send(stage.world.edgeUrl, call)
  },
  misdirected: (stage, call) => send(stage.edges.silent, misdirecting(call)),
  precondition_required: spoilt((call) => withHeaders(call, { 'if-match': undefined })),
  precondition_failed: spoilt((call) => withHeaders(call, { 'if-match': '"999999999"' })),
}

const misdirecting = (call: Call) => withHeaders(call, { 'x-request-id': `misdirect-${randomUUID()}` })

/** Has the silent core answer once, so that its edge does not take it for gone after all that it left without an answer. */
const untilAsked = async (stage: Stage) => {
  const isAnswered = async () =>
    (await send(stage.edges.silent, misdirecting(validCall(stage, 'refreshSession')))).status ===
    errors.misdirected.status
  await eventually(isAnswered, 5_000)
}

const unknownPlayer = () => ({ playerId: newId('player', cell, Date.now()) })

const changes = (...list: readonly (readonly [currency: string, amount: number])[]) => ({
  body: { changes: list.map(([currency, amount]) => ({ currency, amount })), reason: 'test' },
})

const spoiltBy =
  (headersOf: (world: Stage['world']) => Record<string, string>): Provocation =>
  ({ world }, call) =>
    send(world.edgeUrl, withHeaders(call, headersOf(world)))

const onUnknownPlayer = instead(() => ({ params: unknownPlayer() }))

/** A sign-in by the device of a player whose row has been changed. */
const asChangedPlayer = (change: (sql: Stage['world']['sql'], playerId: string) => Promise<unknown>): Provocation =>
  instead(async ({ world }) => {
    const deviceId = randomUUID()
    const { playerId } = await world.signIn(deviceId)
    await change(world.sql, playerId)
    return { body: { deviceId } }
  })

const ofRun = (runId: string) => instead(() => ({ params: { runId } }))

const unknownFile = instead(() => ({ params: { file: 'nothing.md' } }))

const asDeletedPlayer: Provocation = async (stage, call) => {
  const { playerId, accessToken } = await stage.world.signIn()
  const { sql } = stage.world
  for (const name of ['sessions', 'credentials', 'wallets', 'players'])
    await sql`delete from ${sql(name)} where player_id = ${playerId}`
  return send(stage.world.edgeUrl, withHeaders(call, { authorization: `Bearer ${accessToken}` }))
}

/** A merge with an account that something was done to while its session stood. */
const withOther = (harm: (sql: Stage['world']['sql'], playerId: PlayerId) => PromiseLike<unknown>): Provocation =>
  instead(async ({ world }) => {
    const { playerId, refreshToken } = await world.signIn()
    await harm(world.sql, playerId)
    return { body: { refreshToken } }
  })

/** Times that content is put into a state; what is provoked beside it may have changed it before the call arrives. */
const stagingsMax = 20

/** The call, with content as a statement leaves it. */
const withContent =
  (
    code: ErrorCode,
    change: (sql: Stage['world']['sql']) => PromiseLike<unknown>,
    over: (sql: Stage['world']['sql']) => Promise<Parameters<typeof validCall>[2]> = async () => ({}),
  ): Provocation =>
  async (stage, call) => {
    const { sql, edgeUrl } = stage.world
    for (let staging = 1; ; staging++) {
      await change(sql)
      const response = await send(edgeUrl, validCall(stage, call.name, await over(sql)))
      if (response.status === errors[code].status || staging === stagingsMax) return response
    }
  }

const clearSchedule = (sql: Stage['world']['sql']) =>
  sql`update content_drafts set publish_at = null, scheduled = null, scheduled_by = null, scheduled_note = null`

const draftOfFlags = async (sql: Stage['world']['sql'], draft: string | null) => {
  await clearSchedule(sql)
  await sql`update content_drafts set draft = ${draft} where kind = 'flags'`
}

const contentProvocations: Readonly<Record<string, Provocation>> = {
  'patchDraft content_invalid': withContent('content_invalid', (sql) =>
    draftOfFlags(sql, JSON.stringify({ fill: 'x'.repeat(documentBytesMax - 20) })),
  ),
  'publishContent content_invalid': withContent('content_invalid', (sql) => draftOfFlags(sql, '{"x":1}')),
  'publishContent nothing_to_publish': withContent('nothing_to_publish', (sql) => draftOfFlags(sql, null)),
  'publishContent publish_scheduled': withContent(
    'publish_scheduled',
    (sql) => sql`update content_drafts set publish_at = now() + interval '1 day', scheduled = '{}',
      scheduled_by = 'command', scheduled_note = 'test' where kind = 'flags'`,
  ),
  'cancelPublish not_found': withContent('not_found', clearSchedule),
  'rollBackContent not_found': instead(() => ({ params: { kind: 'flags' }, body: { number: 999_999, note: 'test' } })),
  'rollBackContent content_invalid': withContent(
    'content_invalid',
    (sql) => sql`update content_versions set document = '{"x":1}' where kind = 'flags' and number = 1`,
  ),
  'rollBackContent nothing_to_publish': withContent(
    'nothing_to_publish',
    async () => {},
    async (sql) => {
      const [row] = await sql`select max(number) as number from content_versions where kind = 'flags'`
      return { params: { kind: 'flags' }, body: { number: row?.number, note: 'test' } }
    },
  ),
  'getVersion not_found': instead(() => ({ params: { kind: 'flags', number: '999999' } })),
}

/** What a code takes on one route; goes before `byCode`. */
export const byRoute: Readonly<Record<string, Provocation>> = {
  ...contentProvocations,
  'signInWithDevice not_found': instead(() => ({ body: { deviceId: randomUUID(), create: false } })),
  'signInWithEmail credential_invalid': instead(() => ({ body: { ...addressOf(randomUUID()), create: false } })),
  'signInWithEmail password_weak': spoilt((call) => withMembers(call, { password: 'password12345' })),
  'signInWithGoogle not_found': spoilt((call) => withMembers(call, { create: false })),
  'signInWithApple not_found': spoilt((call) => withMembers(call, { create: false })),
  'signInWithCustom not_found': spoilt((call) => withMembers(call, { create: false })),
  'linkEmail password_weak': spoilt((call) => withMembers(call, { password: 'password12345' })),
  'linkEmail credential_refused': async (stage, call) => {
    await send(stage.world.edgeUrl, call)
    return send(stage.world.edgeUrl, withMembers(call, { password: 'not what it was linked with' }))
  },
  'unlink not_found': instead(() => ({ params: { provider: 'google' } })),
  'unlink last_credential': async (stage, call) => {
    await stage.world.sql`delete from credentials where player_id = ${callerOf(call)} and provider = 'email'`
    return send(stage.world.edgeUrl, call)
  },
  'changePassword credential_refused': spoilt((call) => withMembers(call, { password: 'not their password' })),
  'changePassword password_weak': spoilt((call) => withMembers(call, { newPassword: 'password12345' })),
  'changePassword not_found': async (stage, call) => {
    await stage.world.sql`delete from credentials where player_id = ${callerOf(call)} and provider = 'email'`
    return send(stage.world.edgeUrl, call)
  },
  'signInWithDevice player_banned': asChangedPlayer(
    (sql, playerId) =>
      sql`update players set banned_until = now() + interval '1 day', ban_reason = 'test' where player_id = ${playerId}`,
  ),
  'signInWithDevice deletion_pending': asChangedPlayer(
    (sql, playerId) => sql`update players set delete_at = now() + interval '1 day' where player_id = ${playerId}`,
  ),
  'signInWithDevice display_name_not_allowed': instead(() => ({
    body: { deviceId: randomUUID(), displayName: forbiddenName },
  })),
  'signInWithEmail display_name_not_allowed': spoilt((call) => withMembers(call, { displayName: forbiddenName })),
  'signInWithGoogle display_name_not_allowed': spoilt((call) => withMembers(call, { displayName: forbiddenName })),
  'signInWithApple display_name_not_allowed': spoilt((call) => withMembers(call, { displayName: forbiddenName })),
  'signInWithCustom display_name_not_allowed': spoilt((call) => withMembers(call, { displayName: forbiddenName })),
  'updateOwnProfile display_name_not_allowed': instead(() => ({ body: { displayName: forbiddenName } })),
  'getPlayerRecord not_found': onUnknownPlayer,
  'banPlayer not_found': onUnknownPlayer,
  'unbanPlayer not_found': onUnknownPlayer,
  'deletePlayer not_found': onUnknownPlayer,
  'refreshSession refresh_token_invalid': instead(() => ({ body: { refreshToken: 'rt.guessed' } })),
  'refreshSession refresh_token_reused': instead(async ({ world }) => {
    const { refreshToken, client } = await world.signIn()
    const { body } = await client.refreshSession({ body: { refreshToken } })
    await client.refreshSession({ body: { refreshToken: body.refreshToken } })
    // An edge signs with the machine's time, so the past is moved away instead of the core's clock.
    const sessionId = refreshToken.split('.')[1] ?? ''
    await world.sql`update sessions set used_at_ms = array(select t - 60000 from unnest(used_at_ms) t)
      where session_id = ${sessionId}`
    return { body: { refreshToken } }
  }),
  'refreshSession refresh_proof_invalid': instead(async ({ world }) => {
    const { deviceKey } = makeDevice()
    const { body } = await world.client().signInWithDevice({ body: { deviceId: randomUUID(), deviceKey } })
    return { body: { refreshToken: body.refreshToken } }
  }),
  'getOwnProfile not_found': asDeletedPlayer,
  'getWallet not_found': asDeletedPlayer,
  'getProfile not_found': onUnknownPlayer,
  'createWalletTransaction not_found': onUnknownPlayer,
  'createWalletTransaction insufficient_funds': instead(() => changes(['gems', -1])),
  'createWalletTransaction balance_cap_exceeded': instead(() => changes(['gems', 1_000_001])),
  'createWalletTransaction currency_unknown': instead(() => changes(['shells', 1])),
  'createWalletTransactions not_found': instead(() => {
    const { playerId } = unknownPlayer()
    const elsewhere = { playerId: playerId.replace(`_${cell}_`, '_zz9_'), ...changes(['gems', 1]).body }
    return { body: { transactions: [elsewhere] } }
  }),
  'evaluateAs content_invalid': async (stage, call) => {
    const draft = JSON.stringify({ flags: { broken: {} } })
    await stage.world.sql`update content_drafts set draft = ${draft} where kind = 'flags'`
    return send(stage.world.edgeUrl, withMembers(call, { document: 'draft' }))
  },
  'joinLiveEvent not_found': ofRun('nothing.1'),
  'joinLiveEvent live_event_closed': ofRun('over.1'),
  'claimLiveEvent not_found': ofRun('nothing.1'),
  'claimLiveEvent live_event_closed': ofRun('over.1'),
  'claimLiveEvent live_event_not_joined': ofRun('to-join.1'),
  'claimLiveEvent nothing_to_claim': ofRun('without-reward.1'),
  'claimLiveEvent balance_cap_exceeded': ofRun('too-much.1'),
  'claimLiveEvent currency_unknown': ofRun('gone-currency.1'),
  // Its own caller's, and no other's, is there to be ended.
  'endOwnSession not_found': instead(({ spares }) => ({ params: { sessionId: spares.next().sessionId } })),
  'mergeAccounts refresh_token_invalid': instead(() => ({ body: { refreshToken: 'rt.guessed' } })),
  'mergeAccounts refresh_proof_invalid': instead(async ({ world }) => {
    const { deviceKey } = makeDevice()
    const { body } = await world.client().signInWithDevice({ body: { deviceId: randomUUID(), deviceKey } })
    return { body: { refreshToken: body.refreshToken } }
  }),
  'mergeAccounts player_banned': withOther(
    (sql, playerId) =>
      sql`update players set banned_until = now() + interval '1 day', ban_reason = 'test' where player_id = ${playerId}`,
  ),
  'mergeAccounts deletion_pending': withOther(
    (sql, playerId) => sql`update players set delete_at = now() + interval '1 day' where player_id = ${playerId}`,
  ),
  'mergeAccounts balance_cap_exceeded': async (stage, call) => {
    const one = await stage.world.signIn()
    const other = await stage.world.signIn()
    const server = stage.world.client({ bearer: stage.world.keys.server })
    for (const { playerId } of [one, other])
      await server.createWalletTransaction({
        params: { playerId },
        body: { changes: [{ currency: 'gems', amount: 600_000 }], reason: 'test' },
      })
    const { refreshToken } = other
    return send(
      stage.world.edgeUrl,
      validCall(stage, call.name, { body: { refreshToken }, accessToken: one.accessToken }),
    )
  },
  'mergeAccounts merge_across_cells': instead(({ world }) => {
    const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
    const elsewhere = newId('session', cellSchema.parse('us1'), Date.now())
    return { body: { refreshToken: encodeToken(secrets, firstToken(secrets, elsewhere)) } }
  }),
  'createOperatorSession credential_invalid': instead(({ spares }) => {
    const { secret, code } = spares.nextOperator()
    return { body: { secret, code: code(3) } }
  }),
  // It has no session that could be ended.
  'endOperatorSession not_found': spoiltBy(({ keys }) => ({ authorization: `Bearer ${keys.operator}` })),
  'listAuditLog invalid_request': spoilt((call) => ({ ...call, path: `${call.path}?limit=0` })),
  'evaluateFlag not_found': instead(() => ({ params: { key: 'no-such-flag' } })),
  'evaluateFlag targeting_key_missing': instead(() => ({ params: { key: 'half-price' }, body: { context: {} } })),
  'listLiveEvents invalid_request': instead(() => ({ query: { context: '[]' } })),
  'evaluateFlags deadline_exceeded': (stage, call) => send(stage.edges.mute, call),
  'evaluateFlag deadline_exceeded': (stage, call) => send(stage.edges.mute, call),
  'listLiveEvents deadline_exceeded': (stage, call) => send(stage.edges.mute, call),
  'getJwks deadline_exceeded': (stage, call) => send(stage.edges.mute, call),
  'getDocsFile not_found': unknownFile,
  'getErrorPage not_found': unknownFile,
}
