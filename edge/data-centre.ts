import { withTimeLimit } from '#infra/time-limit.ts'
import { createBreaker } from './breaker.ts'

/** What is used of the Cache API. @see https://developers.cloudflare.com/workers/runtime-apis/cache/ */
export type HttpCache = {
  match(url: string): Promise<Response | undefined>
  put(url: string, response: Response): Promise<void>
}

/** A text, and the moment that it tells of, ms since 1970. */
export type Kept = { readonly text: string; readonly at: number }

/** What all isolates of a data centre share: texts by name. Both methods reject when it fails, or is too slow. */
export type DataCentre = {
  /** `maxMs` for what is so large that it takes its time. */
  read(name: string, maxMs?: number): Promise<Kept | undefined>
  /** Keeps a text for `keptMs`. Whoever comes last wins, so a reader must be able to tell old from new. */
  write(name: string, kept: Kept, keptMs: number): Promise<void>
}

/** It is in the same building: slower than this, and Upstash is as near. */
const readMaxMs = 50
/** Nobody waits for it. */
const writeMaxMs = 2_000
const atHeader = 'perigee-at'

/** On the Cache API. `issuer` sets this deployment apart: other Workers of its zone have the same cache. */
export const createDataCentre = (options: {
  readonly cache: HttpCache
  readonly issuer: string
  readonly clock: () => number
}): DataCentre => {
  const { cache, issuer, clock } = options
  const reads = createBreaker(clock)
  const writes = createBreaker(clock)
  const urlOf = (name: string) => `https://perigee.invalid/${encodeURIComponent(issuer)}/${name}`

  const read = async (name: string): Promise<Kept | undefined> => {
    const response = await cache.match(urlOf(name))
    if (!response) return undefined
    return { text: await response.text(), at: Number(response.headers.get(atHeader)) }
  }
  return {
    read: (name, maxMs = readMaxMs) => reads.run(() => withTimeLimit(read(name), maxMs, () => late(maxMs))),
    write: (name, { text, at }, keptMs) => {
      const headers = { 'cache-control': `max-age=${Math.ceil(keptMs / 1_000)}`, [atHeader]: String(at) }
      const put = () => cache.put(urlOf(name), new Response(text, { headers }))
      return writes.run(() => withTimeLimit(put(), writeMaxMs, () => late(writeMaxMs)))
    },
  }
}

const late = (limitMs: number) => new Error(`the data centre's cache did not answer within ${limitMs} ms`)
