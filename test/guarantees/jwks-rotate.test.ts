import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { parseNamedKeys } from '#contract/edge-request.ts'
import type { KeyId, PlayerId } from '#contract/ids.ts'
import { createSecrets } from '#core/secrets.ts'
import { createSigningKey, publishedBeforeUseMs } from '#core/signing-keys.ts'
import { listSigningKeys, type SigningKeyRow } from '#db/keys.ts'
import type { DataCentre } from '#infra/local/data-centre.ts'
import { coreCommand } from '#test/core-command.ts'
import { type CoreProxy, startCoreProxy } from '#test/core-proxy.ts'
import { claimsOf, createForger, createForgeries, type Forger, kidOf, makeUnknown } from '#test/forged-tokens.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { cell, startWorld, type World } from '#test/harness.ts'
import { startIsolates } from '#test/isolates.ts'
import { startSessions } from '#test/sessions.ts'
import { makePlayers } from '#test/wallet-calls.ts'

const rotations = 20
const isolatesEach = 2
const playersCount = 40
/** Of each reader; a reader is on each isolate, and on the world's own edge. */
const everyMs = 50
const forgedShare = 0.3
/** An edge asks for newer keys as often at the most, whatever tokens come. */
const jwksEveryMs = 10_000
const slackMs = 600
/** In the long form a key waits as long as it says, and every core looks at its keys once in five seconds. */
const rotateEveryMs = sized({ short: 400, long: publishedBeforeUseMs + 6_000 })
const tokensARotation = 20
/** An old token of which less is left is let go. */
const leftMinMs = 3_000
const floodSize = 200
/** Answers that may come too late, or not. */
const lateShareMax = 0.01
const testMaxMs = sized({ short: 120_000, long: 1_200_000 })
const jwks = '/internal/documents/jwks'

/** A data centre that asks for documents where they are counted. */
type CountedCentre = { readonly centre: DataCentre; readonly core: CoreProxy; readonly since: number }

let world: World
let players: PlayerId[]
let centres: CountedCentre[]
let urls: string[]
const random = createRandom()
const pick = <Item>(items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)] ?? expect.fail('there are some')

const startCentre = async ({ cache = true } = {}): Promise<CountedCentre> => {
  const core = await startCoreProxy(world.coreUrl)
  const centre = await startIsolates(world, { isolates: isolatesEach, coreUrl: core.url, cache })
  return { centre, core, since: performance.now() }
}
const stopCentre = async ({ centre, core }: CountedCentre) => {
  await centre.stop()
  await core.stop()
}

beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
  // The key that the world began with is older than all that follow.
  await world.sql`update signing_keys set created_at = now() - interval '1 hour'`
  players = await makePlayers(world, playersCount)
  centres = [await startCentre(), await startCentre()]
  urls = [world.edgeUrl, ...centres.flatMap(({ centre }) => centre.urls)]
})
afterAll(async () => {
  await Promise.all((centres ?? []).map(stopCentre))
  await world?.stop()
})

const problemSchema = z.looseObject({ code: z.string().optional() })

/** What an edge says to a token: `served`, or the code of its refusal. */
const present = async (url: string, token: string): Promise<string> => {
  const response = await fetch(`${url}/v1/players/${players[0]}`, { headers: { authorization: `Bearer ${token}` } })
  const { code } = problemSchema.parse(await response.json())
  return response.status === 200 ? 'served' : (code ?? String(response.status))
}

/** How many tokens of players begin `inMs` from now, signed by whichever key signs then. */
const makeTokens = (count: number, inMs: number): Promise<string[]> =>
  startSessions(world, { players: Array.from({ length: count }, () => pick(players)), inMs })

/** The key that signs, and tokens made like one of its own. */
const currentForger = async (): Promise<{ readonly forger: Forger; readonly row: SigningKeyRow }> => {
  const [token = ''] = await makeTokens(1, 0)
  const row = await keyOf(kidOf(token))
  return { forger: createForger(world, token, row), row }
}
const keyOf = async (keyId: unknown): Promise<SigningKeyRow> =>
  (await listSigningKeys(world.database.db)).find((row) => row.keyId === keyId) ?? expect.fail(`no key ${keyId}`)

const makeKey = (nowMs: number): Promise<KeyId> => {
  const secrets = createSecrets(parseNamedKeys(world.secrets.masterKeys))
  return createSigningKey(world.database.db, { secrets, cell, now: new Date(nowMs) })
}
/** A key that is published and not used for an hour, so that its use begins when a test says so. */
const makeLaterKey = () => makeKey(Date.now() + 3_600_000)
/** What half a minute does. */
const haveWaited = (keyId: KeyId) =>
  world.sql`update signing_keys set created_at = now() - interval '31 s' where key_id = ${keyId}`

/** Rotates once, as an operator does; in the short form the keys were made before, and half a minute is a row's time. */
const createRotation = async (): Promise<() => Promise<KeyId>> => {
  const prepared: KeyId[] = []
  if (sized({ short: true, long: false })) while (prepared.length < rotations) prepared.push(await makeLaterKey())
  return async () => {
    const next = prepared.shift()
    if (next) await haveWaited(next)
    const keyId = next ?? (await makeKey(Date.now()))
    await pause(next ? 0 : rotateEveryMs)
    return keyId
  }
}

/** Tokens of all ages, of which none is about to expire. */
const createPool = () => {
  const tokens: { readonly text: string; readonly endsAt: number }[] = []
  const endOf = (text: string) => Number(claimsOf(text).exp) * 1_000
  return {
    add: (texts: readonly string[]) => tokens.push(...texts.map((text) => ({ text, endsAt: endOf(text) }))),
    next: (): string => {
      for (;;) {
        const at = Math.floor(random() * tokens.length)
        const { text, endsAt } = tokens[at] ?? expect.fail('the pool is empty')
        if (endsAt > Date.now() + leftMinMs) return text
        tokens.splice(at, 1)
      }
    },
  }
}

/** Readers on every edge at an even pace, with tokens of the pool and, among them, forged ones. */
const createLoad = async (pool: ReturnType<typeof createPool>) => {
  const forgeries = Object.entries(await createForgeries())
  const count = { reads: 0, forged: 0, late: 0 }
  const wrong: string[] = []
  let current = await currentForger()
  let over = false

  const read = async (url: string) => {
    if (random() < forgedShare) {
      const [name, forge] = pick(forgeries)
      const answer = await present(url, await forge(current.forger, current.row))
      count.forged++
      if (answer !== (name === 'expired' ? 'token_expired' : 'token_invalid')) wrong.push(`${name}: ${answer}`)
      return
    }
    await readWith(url, pool.next())
  }
  const readWith = async (url: string, token: string) => {
    const answer = await present(url, token)
    count.reads++
    // A core of two busy processors may be too late for an answer, which says nothing of the token.
    if (['deadline_exceeded', 'unavailable'].includes(answer)) count.late++
    else if (answer !== 'served') wrong.push(`a token of ${kidOf(token)}: ${answer}`)
  }
  const readOn = async (url: string) => {
    await pause(random() * everyMs)
    while (!over) {
      const startedAt = performance.now()
      await read(url)
      await pause(Math.max(0, startedAt + everyMs - performance.now()))
    }
  }
  const reading = urls.map(readOn)
  return {
    count,
    wrong,
    readWith,
    /** Forges from now on with the key that signs now. */
    renew: async () => {
      current = await currentForger()
    },
    stop: async () => {
      over = true
      await Promise.all(reading)
    },
  }
}

test.concurrent(
  'over 20 changes of the signing key at load no token of any age is refused, and no forged one is taken',
  async () => {
    const rotate = await createRotation()
    const pool = createPool()
    const age = () => makeTokens(tokensARotation, -random() * 590_000)
    pool.add([...(await makeTokens(tokensARotation, 0)), ...(await age())])
    const load = await createLoad(pool)
    // By then every edge has heard of the keys that the short form made before.
    await pause(sized({ short: jwksEveryMs + slackMs, long: 0 }))

    const [first] = await listSigningKeys(world.database.db)
    const signers: KeyId[] = []
    for (let rotation = 0; rotation < rotations; rotation++) {
      const keyId = await rotate()
      const tokens = await makeTokens(tokensARotation, 0)
      for (const token of tokens) expect(kidOf(token)).toBe(keyId)
      signers.push(keyId)
      const { accessToken } = await world.signIn()
      pool.add([...tokens, ...(await age()), accessToken])
      await load.renew()
      // Every edge sees a token of the key as soon as there is one.
      await Promise.all(urls.map((url) => load.readWith(url, tokens[0] ?? '')))
      await pause(sized({ short: rotateEveryMs, long: 0 }))
    }
    const flood = await makeUnknown((await currentForger()).forger, floodSize)
    for (const answers of await Promise.all(urls.map((url) => Promise.all(flood.map((token) => present(url, token))))))
      expect(new Set(answers)).toEqual(new Set(['token_invalid']))
    const retired: unknown[] = []
    for (const keyId of [first?.keyId ?? '', signers.at(-2) ?? ''])
      await coreCommand(world, 'keys', 'revoke', keyId).then(
        () => retired.push(keyId),
        (error) => expect(String(error)).toContain('is in use'),
      )
    // Until every edge has forgotten it.
    await pause(sized({ short: 0, long: 25_000 }))
    await load.stop()

    const { count, wrong } = load
    const fetched = centres.map(({ core, since }) => ({
      fetches: core.requestsOf(jwks),
      ms: performance.now() - since,
    }))
    tell('jwks-rotate', {
      rotations: new Set(signers).size,
      edges: urls.length,
      ...count,
      'unknown keys at once': flood.length * urls.length,
      wrong: wrong.length,
      'keys retired': retired.length,
      seconds: Math.round((fetched[0]?.ms ?? 0) / 1_000),
      'fetches of keys by each data centre': fetched.map(({ fetches }) => fetches).join('/'),
    })
    expect(wrong).toEqual([])
    expect(new Set(signers).size).toBe(rotations)
    // The last token of the first key has expired by the end of the long form, and only of that.
    expect(retired).toEqual(sized({ short: [], long: [first?.keyId] }))
    expect(count.late / count.reads).toBeLessThanOrEqual(lateShareMax)
    for (const { fetches, ms } of fetched)
      expect(fetches).toBeLessThanOrEqual(isolatesEach * (1 + Math.ceil(ms / jwksEveryMs)))
  },
  testMaxMs,
)

test.concurrent('an edge that has had no request since asks for newer keys at the first token of a new one, and once for a flood of unknown ones', async () => {
  // Without a data centre's cache, which answers sooner or later than it is asked, each isolate asks for itself.
  const idle = await startCentre({ cache: false })
  const [url = '', other = ''] = idle.centre.urls
  const { forger } = await currentForger()
  const floods = async (count: number) => {
    const tokens = await makeUnknown(forger, count)
    const answers = await Promise.all(tokens.map((token) => present(url, token)))
    expect(new Set(answers)).toEqual(new Set(['token_invalid']))
  }
  // It knows no keys yet.
  await floods(floodSize)
  expect(idle.core.requestsOf(jwks)).toBe(1)
  const [known = ''] = await makeTokens(1, 0)
  for (const one of [url, other]) expect(await present(one, known)).toBe('served')
  const keyId = await makeLaterKey()
  const early = await createForger(world, known, await keyOf(keyId)).sign()
  await pause(jwksEveryMs + slackMs)
  for (const one of [url, other]) expect(await present(one, early)).toBe('served')
  await floods(floodSize)
  expect(idle.core.requestsOf(jwks)).toBe(4)
  await stopCentre(idle)
}, 60_000)

test('a new key signs nothing before every edge has had half a minute to learn it', async () => {
  const keyId = await makeKey(world.clock())
  const signerNow = async () => {
    const call = {
      method: 'POST',
      path: '/v1/auth/device',
      principal: { kind: 'client', keyId: 'key_test' },
      body: JSON.stringify({ deviceId: randomUUID() }),
    } as const
    const { accessToken } = JSON.parse(await (await world.askCore(call)).text())
    return kidOf(accessToken)
  }
  for (const advanceMs of [0, 10_000, 10_000]) {
    world.clock.advance(advanceMs)
    expect(await signerNow()).not.toBe(keyId)
  }
  world.clock.advance(15_001)
  expect(await signerNow()).toBe(keyId)
})
