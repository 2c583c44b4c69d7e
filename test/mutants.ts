import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { copyWorktree } from './worktree.ts'

/** A line that a guarantee rests on, what it is spoiled with, and the test that must fail then. */
type Mutant = {
  readonly name: string
  readonly file: string
  /** Must stand in the file exactly once. */
  readonly find: string
  readonly replace: string
  readonly test: string
  /** How the test's name begins. */
  readonly testName: string
}

const idempotency = 'test/idempotency.test.ts'
const refresh = 'test/refresh.test.ts'
const signature = 'test/edge-signature.test.ts'
const tokens = 'test/tokens.test.ts'
const push = 'test/push.test.ts'
const cache = 'test/cache.test.ts'
const staleFill = 'test/guarantees/stale-fill.test.ts'
const replica = 'test/replica.test.ts'
const readYourWrites = 'test/guarantees/read-your-writes.test.ts'
const upstashContract = 'test/guarantees/upstash-contract.test.ts'
const sessions = 'test/sessions.test.ts'
const revoke = 'test/guarantees/revoke.test.ts'
const oneByte = 'every change of one byte'
const ofTheWorld = 'a principal, a cell or a method'

/**
 * Not here, because nothing can fail without them: `algorithms` in edge/session.ts (every key of the document says ES256, and
 * jose refuses any other algorithm for it).
 */
const mutants: readonly Mutant[] = [
  {
    name: 'maximum-of-versions',
    file: 'infra/upstash.ts',
    find: '{ gt: true }, ',
    replace: '',
    test: 'test/ports/versioned-store.test.ts',
    testName: 'a version only grows',
  },
  {
    name: 'row-lock',
    file: 'db/set-statement.ts',
    find: "passing: 'for no key update skip locked', waiting: 'for no key update'",
    replace: "passing: '', waiting: ''",
    test: idempotency,
    testName: 'a grant that meets a change of its wallet',
  },
  {
    name: 'claim-gate',
    file: 'db/set-statement.ts',
    find: 'select r.* from r join c using (principal, key) where r.code is null',
    replace: 'select r.* from r where r.code is null',
    test: idempotency,
    testName: 'a claim that commits after a statement',
  },
  {
    name: 'set-key-lock',
    file: 'db/set-statement.ts',
    find: "when not l.free then 'busy'",
    replace: "when not l.free then 'mismatch'",
    test: idempotency,
    testName: 'a call under a key that another process has in hand',
  },
  {
    name: 'fingerprint-in-sets',
    file: 'db/set-statement.ts',
    find: "case when p.fingerprint = i.fingerprint then 'replayed' else 'mismatch' end",
    replace: "'replayed'",
    test: idempotency,
    testName: 'a key belongs to one request',
  },
  {
    name: 'fingerprint-in-flight',
    file: 'core/combine.ts',
    find: 'fingerprint: leader.fingerprint }',
    replace: 'fingerprint: command.fingerprint }',
    test: 'test/guarantees/same-key-herd.test.ts',
    testName: 'of two bodies that race under one key',
  },
  {
    name: 'fingerprint-in-transactions',
    file: 'core/command.ts',
    find: "if (claim.fingerprint !== fingerprint) throw new Fault('idempotency_mismatch')",
    replace: 'void fingerprint',
    test: 'test/write-one.test.ts',
    testName: 'of 20 calls at once under one key',
  },
  {
    name: 'permanent-answers',
    file: 'db/value.ts',
    find: 't.reference = i.key limit 1',
    replace: 't.reference = i.key and false limit 1',
    test: idempotency,
    testName: 'a grant is remembered for ever',
  },
  {
    name: 'principal-of-a-key',
    file: 'core/principal.ts',
    find: 'return `key:$',
    replace: 'return `key:',
    test: idempotency,
    testName: 'keys are their caller’s own',
  },
  {
    name: 'transaction-key-lock',
    file: 'db/idempotency.ts',
    find: "if (!locked?.free) return { kind: 'busy' }",
    replace: 'void locked',
    test: 'test/write-one.test.ts',
    testName: 'a retry while the first call still runs',
  },
  {
    name: 'halving-of-a-broken-set',
    file: 'core/combine.ts',
    find: 'if (isOutage(error)) {',
    replace: 'if (isOutage(error) || !isTransient(error)) {',
    test: 'test/sets.test.ts',
    testName: 'a command that breaks its set fails alone',
  },
  {
    name: 'held-rows-are-passed-over',
    file: 'db/set-statement.ts',
    find: 'for no key update skip locked',
    replace: 'for no key update',
    test: 'test/sets.test.ts',
    testName: 'a wallet that somebody holds',
  },
  {
    name: 'savepoint-of-a-refusal',
    file: 'core/write.ts',
    find: "if (outcome.kind === 'refused') throw new Refused(outcome.fault)",
    replace: '',
    test: 'test/write-one.test.ts',
    testName: 'a refusal takes back',
  },
  {
    name: 'cap',
    file: 'db/value.ts',
    find: 'when amount > 0 and balance + amount > cap',
    replace: 'when amount > 0 and amount > cap',
    test: 'test/guarantees/ledger-model.test.ts',
    testName: 'a wallet does what a model',
  },
  {
    name: 'refresh-grace',
    file: 'core/auth/refresh-session.ts',
    find: 'export const graceMs = 30_000',
    replace: 'export const graceMs = 0',
    test: refresh,
    testName: 'a token gets the same successor',
  },
  {
    name: 'refresh-grace-of-each-token',
    file: 'db/sessions.ts',
    find: 'array_prepend($5::bigint, s.used_at_ms[1:31])',
    replace: 'array[$5::bigint]',
    test: refresh,
    testName: 'three rotations within a second',
  },
  {
    name: 'reuse-ends-the-session',
    file: 'core/auth/refresh-session.ts',
    find: 'await endSession(tx, { sessionId: session.sessionId, now })',
    replace: 'void endSession',
    test: refresh,
    testName: 'reuse after that ends the session',
  },
  {
    name: 'session-lock',
    file: 'db/sessions.ts',
    find: ".for('no key update', { of: sessions })",
    replace: '',
    test: refresh,
    testName: 'who looks at a session while',
  },
  {
    name: 'refresh-token-tag',
    file: 'core/auth/refresh-token.ts',
    find: 'timingSafeEqual(Buffer.from(tagOf(secrets, token)), Buffer.from(tag)) ? token',
    replace: 'timingSafeEqual(Buffer.from(tag), Buffer.from(tag)) && tagOf(secrets, token) ? token',
    test: refresh,
    testName: 'a token that was altered anywhere',
  },
  {
    name: 'skew',
    file: 'core/edge-signature.ts',
    find: 'Math.abs(nowMs - signature.signedAt) > skewMaxMs',
    replace: 'nowMs - skewMaxMs === 0',
    test: signature,
    testName: 'a signature holds for 30 s',
  },
  {
    name: 'mac',
    file: 'core/edge-signature.ts',
    find: 'if (!authentic || ',
    replace: 'if (authentic === undefined || ',
    test: signature,
    testName: 'what no key of ours signed',
  },
  ...['principal', 'cell'].map((part) => ({
    name: `signed-${part}`,
    file: 'contract/edge-request.ts',
    find: `\n  edgeHeaders.${part},`,
    replace: '',
    test: signature,
    testName: ofTheWorld,
  })),
  {
    name: 'signed-idempotency-key',
    file: 'contract/edge-request.ts',
    find: "\n  'idempotency-key',",
    replace: '',
    test: signature,
    testName: oneByte,
  },
  {
    name: 'signed-query',
    file: 'core/app.ts',
    find: 'target: pathname + search,',
    replace: "target: pathname + (search && '?note=abc&note=def'),",
    test: signature,
    testName: oneByte,
  },
  {
    name: 'audience',
    file: 'edge/session.ts',
    find: '\n      audience: accessTokenAudience,',
    replace: '',
    test: tokens,
    testName: 'a token of our own key is refused',
  },
  {
    name: 'issuer',
    file: 'edge/session.ts',
    find: '\n      issuer,\n',
    replace: '\n',
    test: tokens,
    testName: 'a token of our own key is refused',
  },
  {
    name: 'expiry-of-remembered-tokens',
    file: 'edge/session.ts',
    find: 'if (known && known.until > Date.now()) return',
    replace: 'if (known) return',
    test: tokens,
    testName: 'a token that was remembered as good',
  },
  {
    name: 'one-fetch-for-all-unknown-keys',
    file: 'edge/document.ts',
    find: 'if (age < lives[source.name].freshMs && age < acceptMs) return known',
    replace: 'if (age < 0) return known',
    test: tokens,
    testName: '300 tokens of unknown keys',
  },
  {
    name: 'published-before-use',
    file: 'core/signing-keys.ts',
    find: 'export const publishedBeforeUseMs = 30_000',
    replace: 'export const publishedBeforeUseMs = 0',
    test: tokens,
    testName: 'a new key signs nothing',
  },
  {
    name: 'what-a-reader-wrote',
    file: 'edge/cache/cache.ts',
    find: 'entry.version >= floor && entry.storedAt >= since',
    replace: 'floor >= 0 && entry.storedAt >= since',
    test: 'test/path.test.ts',
    testName: 'a profile change is seen by its writer',
  },
  {
    name: 'inbox',
    file: 'db/inbox.ts',
    find: '.returning({ eventId: inbox.eventId })\n  return rows.length === 1',
    replace: '.returning({ eventId: inbox.eventId })\n  return rows.length >= 0',
    test: 'test/guarantees/commit-publish.test.ts',
    testName: 'a relay killed at any step loses no event',
  },
  {
    name: 'claim-by-state',
    file: 'db/outbox.ts',
    find: 'where event_id = any($',
    replace: 'where event_id <= any($',
    test: 'test/guarantees/outbox-gap.test.ts',
    testName: 'no event is passed over that commits late',
  },
  {
    name: 'version-gate-of-consumers',
    file: 'db/inbox.ts',
    find: 'setWhere: sql`',
    replace: 'setWhere: sql`true or ',
    test: 'test/guarantees/order.test.ts',
    testName: 'a consumer of state never goes back',
  },
  {
    name: 'outage-is-no-refusal',
    file: 'infra/deliver.ts',
    find: 'const away = (await failureOf(subscriber.available())) !== undefined',
    replace: 'const away = false',
    test: 'test/guarantees/poison.test.ts',
    testName: 'while what a consumer works on is away',
  },
  {
    name: 'redrive-once',
    file: 'db/dead-letters.ts',
    find: '.where(and(whereOf(letter), isNull(deadLetters.redrivenAt)))',
    replace: '.where(whereOf(letter))',
    test: 'test/guarantees/poison.test.ts',
    testName: 'a letter that is redriven',
  },
  {
    name: 'push-audience',
    file: 'infra/push-identity.ts',
    find: '\n        audience: options.audience,',
    replace: '',
    test: push,
    testName: 'a token for another audience pushes nothing',
  },
  {
    name: 'push-service-account',
    file: 'infra/push-identity.ts',
    find: 'payload.email === options.serviceAccount && ',
    replace: '',
    test: push,
    testName: 'a token of another service account pushes nothing',
  },
  {
    name: 'push-email-verified',
    file: 'infra/push-identity.ts',
    find: ' && payload.email_verified === true',
    replace: '',
    test: push,
    testName: 'a token whose address Google has not verified',
  },
  {
    name: 'one-snapshot-of-wallet-and-ledger',
    file: 'db/audit.ts',
    find: 'const [row] = await database.statement<RangeAudit>(rangeStatement, [first, last, most])',
    replace: `
  const own = 'select player_id, balances from wallets where player_id between $1 and $2'
  const read = \`jsonb_to_recordset('\${JSON.stringify(await database.statement(own, [first, last]))}')\`
  const known = \`from \${read} as known(player_id text collate "C", balances jsonb) where\`
  const text = rangeStatement.replace('from wallets where', known)
  const [row] = await database.statement<RangeAudit>(text, [first, last, most])`,
    test: 'test/audit-ledger.test.ts',
    testName: 'a balance and its entries are seen as of one moment',
  },
  {
    name: 'version-gate',
    file: 'edge/cache/cache.ts',
    find: 'Math.max(least.floor, known?.version ?? 0)',
    replace: 'least.floor',
    test: staleFill,
    testName: 'under no schedule',
  },
  {
    name: 'floor-of-a-fill',
    file: 'edge/cache/cache.ts',
    find: "steps.ask('core', () => load(look, demand, askedAt))",
    replace: "steps.ask('core', () => load(look, question, askedAt))",
    test: staleFill,
    testName: 'under no schedule',
  },
  {
    name: 'floor-of-a-flight',
    file: 'edge/flights.ts',
    find: 'running.demand.floor >= demand.floor && ',
    replace: '',
    test: staleFill,
    testName: 'under no schedule',
  },
  {
    name: 'memory-goes-forward',
    file: 'edge/cache/memory-tier.ts',
    find: 'if (known && isNewer(known, entry)) return known',
    replace: 'void isNewer',
    test: staleFill,
    testName: 'under no schedule',
  },
  {
    name: 'missing-version',
    file: 'edge/cache/cache.ts',
    find: 'known.version !== null && ',
    replace: '',
    test: cache,
    testName: 'an entry whose version was lost',
  },
  {
    name: 'check-dated-by-its-question',
    file: 'edge/cache/cache.ts',
    find: 'checkedAt: askedAt }',
    replace: 'checkedAt: look.clock() + 1_000 }',
    test: cache,
    testName: 'an answer moves',
  },
  {
    name: 'life-of-a-lost-invalidation',
    file: 'edge/cache/freshness.ts',
    find: 'nowMs - entry.storedAt < livesOf(entry, lives).staleMs',
    replace: 'true',
    test: cache,
    testName: 'a change of which',
  },
  {
    name: 'life-with-the-core-gone',
    file: 'edge/cache/freshness.ts',
    find: 'nowMs - entry.storedAt < livesOf(entry, lives).hardMs',
    replace: 'true',
    test: cache,
    testName: 'with the core gone an entry',
  },
  {
    name: 'superseded-with-the-core-gone',
    file: 'edge/cache/cache.ts',
    find: 'entry !== undefined && willDo(entry, demand) && isUsable',
    replace: 'entry !== undefined && isUsable',
    test: cache,
    testName: 'with the core gone nothing',
  },
  {
    name: 'less-than-the-floor',
    file: 'edge/cache/cache.ts',
    find: `    if (entry.version < demand.floor) return entry
`,
    replace: '',
    test: cache,
    testName: 'what a failover has lost',
  },
  {
    name: 'what-is-held-is-a-floor',
    file: 'edge/cache/cache.ts',
    find: 'Math.max(question.floor, memory.floorOf(key))',
    replace: 'question.floor',
    test: cache,
    testName: 'what a failover has lost',
  },
  {
    name: 'early-check',
    file: 'edge/cache/freshness.ts',
    find: 'elapsedMs - Math.min(costMs, lifeMs * costShareMax) * Math.log(1 - random) >= lifeMs',
    replace: 'elapsedMs >= lifeMs',
    test: cache,
    testName: 'near the end',
  },
  {
    name: 'replica-floor',
    file: 'core/handler.ts',
    find: ' || found.answer.version < floor',
    replace: '',
    test: replica,
    testName: 'a floor that the replica has not reached',
  },
  {
    name: 'replica-absent',
    file: 'core/handler.ts',
    find: 'found.answer.value === undefined || ',
    replace: '',
    test: replica,
    testName: 'a player whom the replica has not heard of',
  },
  {
    name: 'replica-read-at',
    file: 'core/replica.ts',
    find: 'Math.min(seenAt, now.getTime())',
    replace: 'now.getTime()',
    test: replica,
    testName: 'an answer of the replica is never dated',
  },
  {
    name: 'replica-lag-bound',
    file: 'core/replica.ts',
    find: ' || now.getTime() - seenAt > lagMaxMs',
    replace: '',
    test: replica,
    testName: 'a replica that is more than ten seconds',
  },
  {
    name: 'sync-token-on-a-lagging-replica',
    file: 'infra/local/upstash-regions.ts',
    find: 'replica && applied >= seen',
    replace: 'replica && seen >= 0',
    test: upstashContract,
    testName: 'a reader with a sync token never sees',
  },
  {
    name: 'one-attempt',
    file: 'infra/upstash.ts',
    find: 'retry: { retries: 0 },',
    replace: 'retry: { retries: 1 },',
    test: upstashContract,
    testName: 'each method of our adapter is one HTTP request',
  },
  {
    name: 'floor-of-the-token',
    file: 'edge/cache/answer.ts',
    find: 'floor: versionOf(tag), since }',
    replace: 'floor: versionOf(tag) * 0, since }',
    test: readYourWrites,
    testName: 'who echoes the token',
  },
  {
    name: 'since-means-the-primary',
    file: 'edge/cache/core-tier.ts',
    find: "since > 0 ? 'primary' : String(floor)",
    replace: 'String(since > 0 ? 0 : floor)',
    test: readYourWrites,
    testName: 'who echoes the token',
  },
  {
    name: 'many-tags-become-a-time',
    file: 'edge/consistency.ts',
    find: 'moved.map(({ at }) => at + skewMs)',
    replace: 'moved.map(() => 0)',
    test: readYourWrites,
    testName: 'who echoes the token',
  },
  {
    name: 'token-of-one-caller',
    file: 'edge/consistency.ts',
    find: "const subject = principal.kind === 'player' ? principal.playerId : encodePrincipal(principal)",
    replace: "const subject = ['anybody', principal, encodePrincipal][0]",
    test: readYourWrites,
    testName: 'a token that was altered',
  },
  {
    name: 'token-verified',
    file: 'edge/consistency.ts',
    find: 'if (!(await hmac.verify(keyId, bytes, signedText(exchange, payload)))) return undefined',
    replace: 'void bytes',
    test: readYourWrites,
    testName: 'a token that was altered',
  },
  {
    name: 'time-joins-no-question',
    file: 'edge/flights.ts',
    find: ' && demand.since === 0',
    replace: '',
    test: cache,
    testName: 'a reader who wants nothing older',
  },
  {
    name: 'flight-outlives-its-leader',
    file: 'edge/flights.ts',
    find: 'keepAlive(result.then(landed, landed))',
    replace: 'void [keepAlive, result.then(landed, landed)]',
    test: 'test/guarantees/stampede.test.ts',
    testName: 'a reader who asks first and hangs up',
  },
  {
    name: 'breaker-opens',
    file: 'edge/breaker.ts',
    find: 'if (failures >= failuresMax) {',
    replace: 'if (failures < 0) {',
    test: 'test/guarantees/core-dark.test.ts',
    testName: 'with a core that takes everything',
  },
  {
    name: 'eviction',
    file: 'edge/cache/memory-tier.ts',
    find: 'remove(oldest, old)',
    replace: 'void [oldest, old]',
    test: 'test/guarantees/memory-bound.test.ts',
    testName: 'the memory tier holds no more than its bound of absences',
  },
  {
    name: 'freshness-travels',
    file: 'edge/data-centre.ts',
    find: 'Number(response.headers.get(atHeader))',
    replace: 'clock()',
    test: 'test/guarantees/invalidation.test.ts',
    testName: 'who has read just before a change',
  },
  {
    name: 'key-of-parameters',
    file: 'edge/cache/key.ts',
    find: 'exchange.target',
    replace: 'exchange.route.path',
    test: 'test/guarantees/cache-privacy.test.ts',
    testName: 'over many pairs',
  },
  {
    name: 'direct-is-not-stored',
    file: 'edge/forward.ts',
    find: "'cache-control': 'no-store'",
    replace: "'cache-control': 'private'",
    test: 'test/guarantees/cache-privacy.test.ts',
    testName: 'every answer of getWallet',
  },
  {
    name: 'what-was-heard',
    file: 'edge/cache/cache.ts',
    find: '  memory.supersede(key, known?.version ?? 0)',
    replace: '',
    test: cache,
    testName: 'what an isolate has heard',
  },
  {
    name: 'near-and-held',
    file: 'edge/cache/cache.ts',
    find: 'willDo(near, least)',
    replace: 'willDo(near, question)',
    test: cache,
    testName: 'an isolate that holds what a failover',
  },
  {
    name: 'late-flights-land',
    file: 'edge/flights.ts',
    find: '    land(key, flight)\n    return',
    replace: '    return',
    test: cache,
    testName: 'a load that never ends',
  },
  {
    name: 'ended-sessions-at-the-edge',
    file: 'edge/revocation.ts',
    find: 'index.sessions.has(sessionId) || ',
    replace: '',
    test: sessions,
    testName: 'another device that is signed out',
  },
  {
    name: 'ended-epochs-at-the-edge',
    file: 'edge/revocation.ts',
    find: ' || epoch < (index.epochs.get(playerId) ?? 0)',
    replace: '',
    test: sessions,
    testName: 'a logout everywhere ends',
  },
  {
    name: 'idle-isolates-wait',
    file: 'edge/document.ts',
    find: 'revocations: { freshMs: 5_000, waitMs: 5_000 }',
    replace: 'revocations: { freshMs: 5_000, waitMs: 20_000 }',
    test: revoke,
    testName: 'an isolate that was idle',
  },
  {
    name: 'last-good-document-of-the-data-centre',
    file: 'edge/document.ts',
    find: 'if (kept && (heldOf(source)?.fetchedAt ?? 0) < kept.fetchedAt) return hold(kept)',
    replace: '',
    test: revoke,
    testName: 'with the core gone an isolate goes by',
  },
  {
    name: 'edges-hear-of-ends',
    file: 'core/revocation.ts',
    find: 'await insertRevocation(tx, { revokedId: sessionId, epoch: 0, revokedAt: now })',
    replace: '',
    test: sessions,
    testName: 'a refresh token that comes from a thief',
  },
  {
    name: 'revocations-outlive-tokens',
    file: 'core/revocation.ts',
    find: 'accessLifeMs + 60_000',
    replace: 'accessLifeMs - 60_000',
    test: sessions,
    testName: 'edges are told of an end',
  },
  {
    name: 'own-sessions-only',
    file: 'core/sessions/end-own-session.ts',
    find: ' || session.playerId !== playerOf(ctx)',
    replace: ' || !playerOf(ctx)',
    test: sessions,
    testName: 'to end another',
  },
  {
    name: 'ended-sessions-end-none',
    file: 'core/sessions/end-own-session.ts',
    find: 'await requireLiveSession(ctx.db, ctx.principal, ctx.now)',
    replace: 'void requireLiveSession',
    test: sessions,
    testName: 'a session that has ended ends no other',
  },
  {
    name: 'first-end-counts',
    file: 'core/sessions/end-own-session.ts',
    find: 'if (!session.revokedAt) await endSession',
    replace: 'await endSession',
    test: sessions,
    testName: 'what has ended stays so',
  },
  {
    name: 'logged-out-once',
    file: 'core/sessions/log-out.ts',
    find: 'await requireLiveSession(db, principal, now)',
    replace: 'void requireLiveSession',
    test: sessions,
    testName: 'a logout that is made again',
  },
]

/** Two cores: each run has a Postgres, a workerd and more of its own. */
const atOnceMax = 2
/** A run takes 10 to 30 s. */
const runMaxMs = 120_000

/** Of vitest's report, in Jest's form, what tells a test that failed from a run that broke. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      assertionResults: z.array(
        z.object({ title: z.string(), status: z.string(), failureMessages: z.array(z.string()) }),
      ),
    }),
  ),
})

/** Undefined when the test has failed for the mutant; else what is wrong. */
const survives = async (mutant: Mutant): Promise<string | undefined> => {
  const copy = await copyWorktree()
  try {
    await copy.replace(mutant.file, mutant.find, mutant.replace)
    const report = join(copy.folder, 'mutant-report.json')
    const pattern = `^${mutant.testName.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`
    const args = ['run', mutant.test, '--testNamePattern', pattern, '--reporter=json', `--outputFile=${report}`]
    const { output } = await copy.run('vitest', args, runMaxMs)
    const text = await readFile(report, 'utf8').catch(() => undefined)
    if (text === undefined) return `the run broke: ${output.slice(-600)}`
    const { testResults } = reportSchema.parse(JSON.parse(text))
    const ran = testResults
      .flatMap((file) => file.assertionResults)
      .filter(({ status }) => status === 'passed' || status === 'failed')
    if (ran.length !== 1) return `${ran.length} tests ran, not one: ${output.slice(-600)}`
    if (ran[0]?.status === 'passed') return 'the test passed all the same'
    const [message = ''] = ran[0]?.failureMessages ?? []
    // On a machine that is too busy even a whole test would fail like this.
    if (/timed out in \d+ ?ms/.test(message)) return 'the test ran out of time'
    console.log(`     ${mutant.name}: ${message.split('\n')[0]?.slice(0, 140)}`)
    return undefined
  } finally {
    await copy.remove()
  }
}

const main = async (names: readonly string[]): Promise<void> => {
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name))
  if (unknown.length > 0)
    throw new Error(
      `no mutant is named ${unknown.join(', ')}; there are: ${mutants.map(({ name }) => name).join(', ')}`,
    )
  const waiting = mutants.filter(({ name }) => names.length === 0 || names.includes(name))
  let passed = 0
  let failed = 0
  const work = async () => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const startedAt = performance.now()
      const wrong = await survives(mutant).catch((error: unknown) => String(error))
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
      if (wrong === undefined) passed++
      else failed++
      console.log(
        wrong === undefined ? `ok   ${mutant.name} (${seconds} s)` : `FAIL ${mutant.name} (${seconds} s): ${wrong}`,
      )
    }
  }
  await Promise.all(Array.from({ length: atOnceMax }, work))
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
