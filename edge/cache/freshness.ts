import type { Cached } from '#contract/route.ts'
import type { Entry } from './entry.ts'

/** The three lives of a cached route, milliseconds; what they bound stands in `contract/route.ts`. */
export type Lives = Pick<Cached, 'freshMs' | 'staleMs' | 'hardMs'>

/** What is not there may be made at any moment, and anybody can ask for any number of things that are not there. */
const absentStaleMaxMs = 10_000
const absentHardMaxMs = 60_000

/** The lives of an entry under a route: absence has short ones. */
export const livesOf = ({ status }: Entry, { freshMs, staleMs, hardMs }: Lives): Lives =>
  status === 200
    ? { freshMs, staleMs, hardMs }
    : { freshMs, staleMs: Math.min(staleMs, absentStaleMaxMs), hardMs: Math.min(hardMs, absentHardMaxMs) }

/** Whether a near tier may answer with it and ask nobody. */
export const isFresh = (entry: Entry, lives: Lives, nowMs: number): boolean =>
  nowMs - entry.checkedAt < lives.freshMs && isCurrent(entry, lives, nowMs)

/** Whether it may be served at all while the core can be reached. */
export const isCurrent = (entry: Entry, lives: Lives, nowMs: number): boolean =>
  nowMs - entry.storedAt < livesOf(entry, lives).staleMs

/** Whether it may be served when the core cannot be reached. */
export const isUsable = (entry: Entry, lives: Lives, nowMs: number): boolean =>
  nowMs - entry.storedAt < livesOf(entry, lives).hardMs

/** Whether a reader of a fresh entry is to ask, behind the answer, whether it still is the newest. */
export const isCheckDue = (entry: Entry, lives: Lives, { nowMs, random }: Moment): boolean =>
  isEarly(nowMs - entry.checkedAt, lives.freshMs, entry.loadMs, random)

/** Whether a reader of a current entry is to fetch it anew, behind the answer: in the second half of its life everyone is. */
export const isRefreshDue = (entry: Entry, lives: Lives, { nowMs, random }: Moment): boolean =>
  isEarly(nowMs - entry.storedAt, livesOf(entry, lives).staleMs / 2, entry.loadMs, random)

/** Now, ms since 1970, and a random number of this reader, from 0 to below 1. */
export type Moment = { readonly nowMs: number; readonly random: number }

/** A load that took longer than this share of a life says more of the load than of its cost. */
const costShareMax = 0.1

/**
 * XFetch: true with a probability that grows towards the end of a life, by how much it costs to renew what lives. Of many
 * readers one is early, and so no crowd finds the end; a lone reader hardly ever is.
 * @see https://doi.org/10.14778/2757807.2757813
 */
const isEarly = (elapsedMs: number, lifeMs: number, costMs: number, random: number): boolean =>
  elapsedMs - Math.min(costMs, lifeMs * costShareMax) * Math.log(1 - random) >= lifeMs
