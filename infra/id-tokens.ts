import { base64url } from 'jose'
import * as z from 'zod'
import { withTimeLimit } from './time-limit.ts'

/**
 * What a service behind Google's IAM is called with. `Authorization` is not used for it: that belongs to whoever the call is made
 * for, and arrives as it was sent where this header is there.
 * @see https://cloud.google.com/run/docs/authenticating/service-to-service
 */
export const idTokenHeader = 'x-serverless-authorization'

/** The ID tokens that one process calls its services with, all for one audience. */
export type IdTokens = {
  /**
   * The token that is held, at once and without a promise, as long as it is good; else the one that is being fetched, which all who
   * ask meanwhile share. One that will end soon is renewed behind the back of whoever asks. Rejects when there is none within
   * `waitMaxMs`, and at once where it was found a moment ago that none can be had.
   */
  get(caller: Caller): string | Promise<string>
}

export type Caller = {
  /** How long it waits, ms. */
  readonly waitMaxMs: number
  /** Keeps work alive after the caller has its answer, where the runtime would end it. */
  readonly keepAlive: (work: Promise<unknown>) => void
}

/** Fetches one token. Rejects when none can be had, or `signal` is aborted. */
export type IdTokenSource = (signal: AbortSignal) => Promise<string>

/** Where processes that are near to each other find one another's token. */
export type SharedIdToken = {
  /** Undefined where none is kept. A rejection is taken for that. */
  read(): Promise<string | undefined>
  write(kept: HeldToken): Promise<void>
}

/** A token, and when it ends, ms since 1970. */
export type HeldToken = { readonly token: string; readonly endsAt: number }

export type IdTokensOptions = {
  /** A token for another one is none. */
  readonly audience: string
  readonly source: IdTokenSource
  readonly shared?: SharedIdToken | undefined
  readonly clock: () => number
  /** From 0 to below 1. */
  readonly random: () => number
  /** Told of each fetch that failed; there are no more of them than one a second. */
  readonly onFailure: (error: Error) => void
}

/** Two calls to Google take a quarter of a second. Whoever waits has two seconds for all of its answer. */
const fetchMaxMs = 3_000
/** Beyond the bound of a fetch its request was ended by the runtime, and it will never settle. */
const flightMaxMs = fetchMaxMs + 1_000
/** A token lives an hour. With so much left Google may be away that long before anybody notices. */
const renewMs = 10 * 60_000
/** Those who share a token are not to renew it all at once: the first one does, and the others find what it has left them. */
const renewSpreadMs = 5 * 60_000
/** The metadata server answers with the same token until its last minutes: it is not asked for each call until then. */
const againMs = 60_000
/** What is due later than this was set by a clock that has been set back since, or by a token that says it lives longer. */
const dueMaxMs = 3_600_000
/** As much as our clocks may differ, which is what signed requests allow, and the call's own way. */
const leastLeftMs = 30_000
/** How often it is looked whether somebody near has a token by now, while there is none. */
const lookMs = 1_000
/** Google takes 6,000 exchanges a minute of a project: tens of thousands of isolates that ask each second would keep each other out. */
const pauseMaxMs = 30_000

const claimsSchema = z.object({ aud: z.string(), exp: z.number() })

/** Holds a token, renews it before it ends, and goes on with it while it lives when that fails. */
export const createIdTokens = (options: IdTokensOptions): IdTokens => {
  const { audience, source, shared, clock, random, onFailure } = options
  let held: HeldToken | undefined
  let flight: { readonly result: Promise<string>; readonly beganAt: number } | undefined
  let failure: Error | undefined
  let failures = 0
  /** When to look for another token, in the first place where it is shared. */
  let dueAt = 0
  /** Before this the source is not asked. */
  let askAt = 0

  const hold = (token: HeldToken): string => {
    held = token
    failures = 0
    askAt = 0
    const renewAt = Math.max(clock() + againMs, token.endsAt - renewMs - random() * renewSpreadMs)
    dueAt = Math.min(renewAt, clock() + dueMaxMs)
    return token.token
  }

  const fetchToken = async (): Promise<HeldToken> => {
    try {
      return read(await source(AbortSignal.timeout(fetchMaxMs)), audience, clock())
    } catch (cause) {
      failures++
      const pauseMs = Math.min(pauseMaxMs, lookMs * 2 ** (failures - 1))
      askAt = clock() + pauseMs * (0.5 + random() / 2)
      failure = new Error('no ID token can be had', { cause })
      onFailure(failure)
      throw failure
    }
  }

  /** One that is better than what is held. */
  const findShared = async (): Promise<HeldToken | undefined> => {
    try {
      const text = await shared?.read()
      const found = text === undefined ? undefined : read(text, audience, clock())
      return found && found.endsAt > (held?.endsAt ?? 0) ? found : undefined
    } catch {
      return undefined
    }
  }

  const renew = async (keepAlive: Caller['keepAlive']): Promise<string> => {
    const found = await findShared()
    if (found) return hold(found)
    if (isAhead(askAt, clock(), pauseMaxMs)) throw failure ?? new Error('no ID token can be had')
    const fetched = await fetchToken()
    if (shared) keepAlive(shared.write(fetched).catch(() => {}))
    return hold(fetched)
  }

  const begin = (keepAlive: Caller['keepAlive']): void => {
    const beganAt = clock()
    // Of one that fails, and of one that never ends.
    dueAt = beganAt + lookMs
    const own = { beganAt, result: renew(keepAlive) }
    flight = own
    const landed = () => {
      if (flight === own) flight = undefined
    }
    keepAlive(own.result.then(landed, landed))
  }

  return {
    get: ({ waitMaxMs, keepAlive }) => {
      const now = clock()
      if (flight && now - flight.beganAt > flightMaxMs) flight = undefined
      const good = held && held.endsAt - now > leastLeftMs ? held.token : undefined
      if (!flight && !isAhead(dueAt, now, good ? dueMaxMs : lookMs)) begin(keepAlive)
      if (good) return good
      return flight ? within(flight.result, waitMaxMs) : Promise.reject(failure ?? new Error('no ID token can be had'))
    },
  }
}

/** Whether a time is still to come. What is farther away than it was ever set is not, where the clock was set back. */
const isAhead = (time: number, now: number, mostMs: number): boolean => now < time && time - now <= mostMs

/** @throws Error for what is no token for `audience`, or has ended */
const read = (token: string, audience: string, now: number): HeldToken => {
  const { aud, exp } = claimsSchema.parse(readClaims(token))
  if (aud !== audience) throw new Error('the ID token is for another audience')
  const endsAt = exp * 1_000
  if (endsAt - now <= leastLeftMs)
    throw new Error('the ID token has ended: its maker or this machine has the wrong time')
  return { token, endsAt }
}

/** What else there may be in a text that has claims in it, such as a line break, no header could be made of. */
const jwtPattern = /^[\w-]+\.([\w-]+)\.[\w-]+$/

/** Unverified: whoever is called does that. @throws Error for what is no JWT, with nothing of it */
const readClaims = (token: string): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(base64url.decode(jwtPattern.exec(token)?.[1] ?? '')))
  } catch {
    throw new Error('the ID token is none')
  }
}

const within = <Result>(work: Promise<Result>, limitMs: number): Promise<Result> =>
  withTimeLimit(work, limitMs, () => new Error(`there was no ID token within ${limitMs} ms`))
