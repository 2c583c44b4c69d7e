import { decodeJwt } from 'jose'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { DataCentre } from '#edge/data-centre.ts'
import { createSharedToken } from '#edge/shared-token.ts'
import { createEdgeKey } from '#infra/edge-key.ts'
import { createGoogleIdentity, type GoogleKey } from '#infra/google-identity.ts'
import { createMetadataIdentity } from '#infra/google-metadata.ts'
import { createIdTokens, type HeldToken, type IdTokens, type IdTokensOptions } from '#infra/id-tokens.ts'
import { freePort } from '#infra/local/ports.ts'
import { type LocalGoogle, machineAccount, startGoogle } from './google.ts'

const issuer = 'https://play.perigee.example'
const hourMs = 3_600_000
/** Of `infra/id-tokens.ts`. */
const renewLatestMs = 10 * 60_000
const renewEarliestMs = 15 * 60_000
const leastLeftMs = 30_000

// Only what reads the time is held; what waits still waits.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})
const passes = (ms: number) => vi.setSystemTime(Date.now() + ms)

const start = async (): Promise<LocalGoogle> => {
  const google = await startGoogle({ issuer })
  onTestFinished(google.stop)
  return google
}

type Edge = {
  readonly tokens: IdTokens
  readonly failures: Error[]
  readonly work: Promise<unknown>[]
  settle(): Promise<void>
}

/** What an isolate of the edge has, or with `source` a core. */
const newEdge = (google: LocalGoogle, changes: Partial<IdTokensOptions> & { key?: GoogleKey } = {}): Edge => {
  const failures: Error[] = []
  const { identity } = google
  const { key = google.key, ...options } = changes
  const tokens = createIdTokens({
    audience: identity.audience,
    source: createGoogleIdentity({ identity, key, issuer, clock: Date.now }),
    clock: Date.now,
    random: () => 0,
    onFailure: (error) => failures.push(error),
    ...options,
  })
  const work: Promise<unknown>[] = []
  return { tokens, failures, work, settle: async () => void (await Promise.allSettled(work.splice(0))) }
}

const ask = ({ tokens, work }: Edge, waitMaxMs = 5_000) =>
  tokens.get({ waitMaxMs, keepAlive: (more) => work.push(more) })

/** What is told of a failure, cause and all. */
const told = (error: Error | undefined) => `${error?.message}: ${error?.cause}`

test('with a key of its own the edge gets an ID token of its service account, for the audience, in two requests', async () => {
  const google = await start()
  const token = await ask(newEdge(google))
  const { serviceAccount, audience } = google.identity
  expect(await google.verify(token, audience)).toBe(serviceAccount)
  expect([google.exchange.requests, google.generate.requests]).toEqual([1, 1])
})

test('a token that is held is there at once, and nobody is asked for another one until 15 minutes before it ends', async () => {
  const google = await start()
  const edge = newEdge(google)
  const first = await ask(edge)
  passes(hourMs - renewEarliestMs - 1_000)
  // No promise: a call that has a token waits for nothing.
  for (let call = 0; call < 100; call++) expect(ask(edge)).toBe(first)
  expect(google.exchange.requests).toBe(1)
})

test('a token is renewed before it ends, behind the backs of those who go on with the old one', async () => {
  const google = await start()
  const edge = newEdge(google)
  const first = await ask(edge)
  await edge.settle()
  passes(hourMs - renewLatestMs)
  for (let call = 0; call < 10; call++) expect(ask(edge)).toBe(first)
  await edge.settle()
  const second = ask(edge)
  expect(second).not.toBe(first)
  expect([google.exchange.requests, google.generate.requests]).toEqual([2, 2])
  expect(await google.verify(await second, google.identity.audience)).toBeDefined()
})

test('a token that has little left when it comes is replaced when it can no longer be sent, however soon that is', async () => {
  const google = await start()
  google.lifeSeconds = 40
  const edge = newEdge(google)
  const first = await ask(edge)
  await edge.settle()
  passes(9_000)
  expect(ask(edge)).toBe(first)
  passes(1_000)
  expect(await ask(edge)).not.toBe(first)
})

test('those who share a token renew it at different times', async () => {
  const google = await start()
  const early = newEdge(google, { random: () => 0.999 })
  const late = newEdge(google, { random: () => 0 })
  for (const edge of [early, late]) {
    await ask(edge)
    await edge.settle()
  }
  passes(hourMs - renewEarliestMs + 10_000)
  for (const edge of [early, late]) {
    ask(edge)
    await edge.settle()
  }
  expect(google.exchange.requests).toBe(3)
})

test('a hundred that ask at once share one fetch', async () => {
  const google = await start()
  const edge = newEdge(google)
  const tokens = await Promise.all(Array.from({ length: 100 }, () => ask(edge)))
  expect(new Set(tokens).size).toBe(1)
  expect([google.exchange.requests, google.generate.requests]).toEqual([1, 1])
})

/** Whose claims are as they should be. */
const brokenTokenFor = ({ identity: { audience: aud } }: LocalGoogle) => {
  const claims = Buffer.from(JSON.stringify({ aud, exp: Date.now() / 1_000 + 7_200 })).toString('base64url')
  return JSON.stringify({ token: `broken\nhere.${claims}.signature` })
}

const outages: Readonly<Record<string, (google: LocalGoogle) => void>> = {
  'the exchange answers 500': (google) => Object.assign(google.exchange, { status: 500 }),
  'the exchange has a quota': (google) => Object.assign(google.exchange, { status: 429 }),
  'the exchange answers garbage': (google) => Object.assign(google.exchange, { answer: '<html>' }),
  'the exchange answers no token': (google) => Object.assign(google.exchange, { answer: '{}' }),
  'the exchange answers without end': (google) => Object.assign(google.exchange, { answer: 'x'.repeat(100_000) }),
  'the exchange sends elsewhere': (google) => Object.assign(google.exchange, { status: 302 }),
  'tokens are refused': (google) => Object.assign(google.generate, { status: 403 }),
  'tokens are garbage': (google) => Object.assign(google.generate, { answer: '{"token":"garbage"}' }),
  'tokens have a line break': (google) => Object.assign(google.generate, { answer: brokenTokenFor(google) }),
  'tokens are for another audience': (google) => Object.assign(google, { audience: 'https://other.example' }),
  'tokens have ended': (google) => Object.assign(google, { lifeSeconds: 20 }),
}

test.each(Object.entries(outages))(
  'while %s the old token serves as long as it lives, and then none does',
  async (_, fail) => {
    const google = await start()
    const edge = newEdge(google)
    const first = await ask(edge)
    await edge.settle()
    fail(google)
    passes(hourMs - renewLatestMs)
    expect(ask(edge)).toBe(first)
    await edge.settle()
    expect(edge.failures).toHaveLength(1)
    passes(renewLatestMs - leastLeftMs - 1_000)
    expect(ask(edge)).toBe(first)
    await edge.settle()
    passes(2_000)
    await expect(ask(edge)).rejects.toThrow('no ID token can be had')
  },
)

test('nobody waits longer than it says, nor the fetch longer than three seconds, where Google takes requests and never answers', async () => {
  const google = await start()
  const edge = newEdge(google)
  google.exchange.silent = true
  const startedAt = performance.now()
  await expect(ask(edge, 200)).rejects.toThrow('within 200 ms')
  expect(performance.now() - startedAt).toBeLessThan(2_500)
  passes(1_500)
  await expect(ask(edge, 5_000)).rejects.toThrow('no ID token can be had')
  expect(performance.now() - startedAt).toBeGreaterThan(2_500)
  // What it waited for was the one fetch, which has ended by then.
  expect(google.exchange.requests).toBe(1)
})

test('a fetch that its runtime has dropped keeps nobody waiting but those who had joined it', async () => {
  const google = await start()
  const never = { first: true }
  const source = createGoogleIdentity({ ...google, issuer, clock: Date.now })
  const edge = newEdge(google, {
    source: (signal) => {
      const dropped = never.first
      never.first = false
      return dropped ? new Promise(() => {}) : source(signal)
    },
  })
  await expect(ask(edge, 50)).rejects.toThrow('within 50 ms')
  passes(4_001)
  expect(await google.verify(await ask(edge), google.identity.audience)).toBeDefined()
})

test('without a token Google is asked ever less often, up to twice a minute, and others are refused at once', async () => {
  const google = await start()
  const edge = newEdge(google, { random: () => 0.5 })
  google.exchange.status = 500
  const requestsIn = async (seconds: number) => {
    const before = google.exchange.requests
    for (let second = 0; second < seconds; second++) {
      for (let call = 0; call < 3; call++) await Promise.allSettled([ask(edge)])
      await edge.settle()
      passes(1_000)
    }
    return google.exchange.requests - before
  }
  expect(await requestsIn(30)).toBeLessThanOrEqual(6)
  expect(await requestsIn(300)).toBeLessThanOrEqual(14)
  expect(edge.failures).toHaveLength(google.exchange.requests)
  google.exchange.status = undefined
  passes(30_000)
  expect(await google.verify(await ask(edge), google.identity.audience)).toBeDefined()
})

test('a clock that is set back while there is no token does not put off the next one', async () => {
  const google = await start()
  const edge = newEdge(google)
  google.exchange.status = 500
  await expect(ask(edge)).rejects.toThrow()
  await edge.settle()
  google.exchange.status = undefined
  passes(-hourMs)
  expect(await google.verify(await ask(edge), google.identity.audience)).toBeDefined()
})

test('a clock that is set back while there is a token has it renewed at once, behind the backs of those who go on with it', async () => {
  const google = await start()
  const edge = newEdge(google)
  const first = await ask(edge)
  await edge.settle()
  passes(-2 * hourMs)
  expect(ask(edge)).toBe(first)
  await edge.settle()
  expect(google.exchange.requests).toBe(2)
})

test('a token that says that it lives for years is renewed within an hour, and not asked for again before', async () => {
  const google = await start()
  google.lifeSeconds = 1_000_000_000
  const edge = newEdge(google)
  for (const [afterMs, requests] of [
    [0, 1],
    [hourMs - 1_000, 1],
    [2_000, 2],
    [1_000, 2],
  ] as const) {
    passes(afterMs)
    await ask(edge)
    await edge.settle()
    expect(google.exchange.requests).toBe(requests)
  }
})

test('what is told of a failure says what Google said, and holds no token and no key', async () => {
  const google = await start()
  const stranger = await createEdgeKey()
  const edge = newEdge(google, { key: stranger.privateKey })
  await expect(ask(edge)).rejects.toThrow()
  // Google repeats what it was given.
  expect(told(edge.failures[0])).toContain('answered 400: invalid_grant no applicable key found')
  google.keySet = { keys: [stranger.publicKey] }
  google.generate.status = 403
  google.generate.answer = JSON.stringify({ error: { status: 'PERMISSION_DENIED', message: `of ${'y'.repeat(200)}` } })
  passes(2_000)
  await expect(ask(edge)).rejects.toThrow()
  expect(told(edge.failures[1])).toContain('answered 403: PERMISSION_DENIED of …')
  for (const failure of edge.failures) {
    expect(told(failure)).not.toMatch(/eyJ|ya29|y{80}/)
    expect(told(failure)).not.toContain(stranger.privateKey.d)
  }
})

test('a key is exchanged without a gap: with both published the old and the new one are known, retired the old one is not', async () => {
  const google = await start()
  const next = await createEdgeKey()
  google.keySet = { keys: [next.publicKey, ...google.keySet.keys] }
  for (const key of [google.key, next.privateKey])
    expect(await google.verify(await ask(newEdge(google, { key })), google.identity.audience)).toBeDefined()
  google.keySet = { keys: [next.publicKey] }
  expect(await ask(newEdge(google, { key: next.privateKey }))).toBeDefined()
  await expect(ask(newEdge(google))).rejects.toThrow()
})

test.each([-50_000, 50_000])(
  'a clock that differs from Google’s by %i ms gets and keeps a token that is good',
  async (skewMs) => {
    const google = await start()
    google.skewMs = skewMs
    const edge = newEdge(google)
    const token = await ask(edge)
    await edge.settle()
    expect(await google.verify(token, google.identity.audience)).toBeDefined()
    // The last moment in which it is sent while it is renewed as it should be.
    passes(hourMs - renewLatestMs + skewMs)
    const sent = await ask(edge)
    expect(await google.verify(sent, google.identity.audience)).toBeDefined()
  },
)

/** A place where neighbours leave a token, that can be read by all of them. */
const newShelf = () => {
  const kept: { token?: HeldToken; reads: number } = { reads: 0 }
  return {
    kept,
    shared: {
      read: async () => {
        kept.reads++
        return kept.token?.token
      },
      write: async (token: HeldToken) => {
        kept.token = token
      },
    },
  }
}

test('who has neighbours takes their token, and asks Google only for one that is newer than all of theirs', async () => {
  const google = await start()
  const { shared, kept } = newShelf()
  const first = newEdge(google, { shared })
  const token = await ask(first)
  await first.settle()
  expect(kept.token?.endsAt).toBe((decodeJwt(token).exp ?? 0) * 1_000)
  const neighbours = Array.from({ length: 20 }, () => newEdge(google, { shared }))
  for (const edge of neighbours) expect(await ask(edge)).toBe(token)
  expect(google.exchange.requests).toBe(1)

  passes(hourMs - renewLatestMs)
  for (const edge of [first, ...neighbours]) {
    ask(edge)
    await edge.settle()
  }
  expect(google.exchange.requests).toBe(2)
  expect(new Set([first, ...neighbours].map((edge) => ask(edge))).size).toBe(1)
})

test('what neighbours have left is not believed: garbage, a token for others and one that has ended are as if nothing were there', async () => {
  const google = await start()
  const { audience } = google.identity
  const left = [
    'garbage',
    '',
    await google.token({ aud: 'https://other.example' }),
    await google.token({ aud: audience, exp: Math.floor(Date.now() / 1_000) + 20 }),
  ]
  for (const text of left) {
    const edge = newEdge(google, { shared: { read: async () => text, write: async () => {} } })
    expect(await ask(edge)).not.toBe(text)
  }
  const broken = { read: () => Promise.reject(new Error('away')), write: () => Promise.reject(new Error('away')) }
  const edge = newEdge(google, { shared: broken })
  expect(await google.verify(await ask(edge), audience)).toBeDefined()
  await edge.settle()
})

/** A data centre's cache, as far as tokens go. */
const newDataCentre = () => {
  const kept = new Map<string, { text: string; keptMs: number }>()
  const dataCentre: DataCentre = {
    read: async (name) => {
      const found = kept.get(name)
      return found && { text: found.text, at: 0 }
    },
    write: async (name, { text }, keptMs) => void kept.set(name, { text, keptMs }),
  }
  return { dataCentre, kept }
}

test('a data centre holds the token sealed: nothing of it can be read, altered, or used under another key or for another identity', async () => {
  const google = await start()
  const { identity, key } = google
  const { dataCentre, kept } = newDataCentre()
  const shared = (changes: Partial<Parameters<typeof createSharedToken>[0]> = {}) =>
    createSharedToken({ dataCentre, identity, key, clock: Date.now, ...changes })
  expect(await shared().read()).toBeUndefined()
  const token = await google.token({ aud: identity.audience })
  await shared().write({ token, endsAt: Date.now() + hourMs })
  expect(await shared().read()).toBe(token)

  const [[name = '', { text, keptMs }] = ['', { text: '', keptMs: 0 }]] = kept
  expect(keptMs).toBe(hourMs)
  const bytes = Buffer.from(text, 'base64url').toString('latin1')
  for (const part of token.split('.')) for (const held of [text, bytes]) expect(held).not.toContain(part.slice(0, 12))
  await shared().write({ token, endsAt: Date.now() + hourMs })
  expect(kept.get(name)?.text).not.toBe(text)

  const { privateKey: other } = await createEdgeKey()
  for (const changes of [
    { key: other },
    { identity: { ...identity, audience: 'https://other.example' } },
    { identity: { ...identity, serviceAccount: 'other@perigee.iam.gserviceaccount.com' } },
  ])
    await expect(shared(changes).read()).rejects.toThrow()
  kept.set(name, { text: `${text.slice(0, -4)}AAAA`, keptMs })
  await expect(shared().read()).rejects.toThrow()
  kept.set(name, { text: 'x', keptMs })
  await expect(shared().read()).rejects.toThrow()
})

test('while Google refuses, a neighbour’s token is found within a second, however long Google is left alone', async () => {
  const google = await start()
  const { shared, kept } = newShelf()
  const edge = newEdge(google, { shared, random: () => 0.999 })
  google.exchange.status = 429
  for (let second = 0; second < 60; second++) {
    await Promise.allSettled([ask(edge)])
    await edge.settle()
    passes(1_000)
  }
  const requests = google.exchange.requests
  const token = await google.token({ aud: google.identity.audience })
  kept.token = { token, endsAt: Date.now() + hourMs }
  expect(await ask(edge)).toBe(token)
  expect(google.exchange.requests).toBe(requests)
})

test('a core gets its own account’s token from the metadata server, which may answer with the same one for a while', async () => {
  const google = await start()
  const { audience } = google.identity
  const source = createMetadataIdentity({ audience, host: google.host })
  const core = newEdge(google, { source })
  expect(await google.verify(await ask(core), audience)).toBe(machineAccount)
  expect(google.metadata.requests).toBe(1)
  await core.settle()

  // It renews in its last minutes alone: until then one in a minute asks.
  passes(hourMs - renewLatestMs)
  google.metadata.answer = await google.token({ aud: audience, exp: Math.floor(Date.now() / 1_000) + 600 })
  for (let second = 0; second < 120; second++) {
    expect(typeof ask(core)).toBe('string')
    await core.settle()
    passes(1_000)
  }
  expect(google.metadata.requests).toBeLessThanOrEqual(3)
})

test('what is no metadata server, and one that says no, give no token, in time and with words', async () => {
  const google = await start()
  const { audience } = google.identity
  const of = (host: string) => newEdge(google, { source: createMetadataIdentity({ audience, host }) })
  google.metadata.flavor = 'Other'
  const other = of(google.host)
  await expect(ask(other)).rejects.toThrow()
  expect(told(other.failures[0])).toContain('no metadata server')
  google.metadata.status = 404
  const refusing = of(google.host)
  await expect(ask(refusing)).rejects.toThrow()
  expect(told(refusing.failures[0])).toContain('answered 404')
  const nobody = of(`127.0.0.1:${await freePort()}`)
  await expect(ask(nobody)).rejects.toThrow('no ID token can be had')
})
