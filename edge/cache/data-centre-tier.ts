import { createBreaker } from '#edge/breaker.ts'
import { withTimeLimit } from '#edge/time-limit.ts'
import { decodeEntry, type Entry, encodeEntry } from './entry.ts'

/** Entries that all isolates of a data centre share, on its Cache API. Both methods reject when it fails. */
export type DataCentreTier = {
  get(key: string): Promise<Entry | undefined>
  /** Keeps an entry for `keptMs`. Whoever comes last wins, which is why a reader compares versions. */
  put(key: string, entry: Entry, keptMs: number): Promise<void>
}

/** What is used of the Cache API. @see https://developers.cloudflare.com/workers/runtime-apis/cache/ */
export type HttpCache = {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}

/** It is in the same building: slower than this, and Upstash is as near. */
const limitMs = 50
const checkedAtHeader = 'perigee-checked-at'

/** `issuer` sets the entries of this deployment apart: other Workers of its zone have the same cache. */
export const createDataCentreTier = (options: {
  readonly cache: HttpCache
  readonly issuer: string
  readonly clock: () => number
}): DataCentreTier => {
  const { cache, issuer, clock } = options
  const reads = createBreaker(clock)
  const writes = createBreaker(clock)
  const urlOf = (key: string) => `https://entries.perigee.invalid/${encodeURIComponent(issuer)}/${key}`

  const read = async (key: string): Promise<Entry | undefined> => {
    const response = await cache.match(urlOf(key))
    if (!response) return undefined
    return decodeEntry(await response.text(), Number(response.headers.get(checkedAtHeader)))
  }
  return {
    get: (key) => reads.run(() => withTimeLimit(read(key), limitMs, () => new Error(`no answer within ${limitMs} ms`))),
    put: (key, entry, keptMs) => {
      const headers = {
        'cache-control': `max-age=${Math.ceil(keptMs / 1_000)}`,
        [checkedAtHeader]: String(entry.checkedAt),
      }
      return writes.run(() => cache.put(urlOf(key), new Response(encodeEntry(entry), { headers })))
    },
  }
}
