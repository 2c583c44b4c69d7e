import type { Fetcher, RateLimit } from '@cloudflare/workers-types'
import * as z from 'zod'
import { type NamedKey, parseNamedKeys } from '#contract/edge-request.ts'
import { type Cell, cellSchema } from '#contract/ids.ts'
import { type GoogleIdentity, type GoogleKey, googleIdentitySchema, googleKeySchema } from '#infra/google-identity.ts'

/** What wrangler binds to the Worker: variables and secrets as text, and the platform's services. */
export type Bindings = {
  readonly CELLS: string
  readonly CONTROL_CELL: string
  readonly ISSUER: string
  readonly UPSTASH_URL: string
  readonly UPSTASH_TOKEN: string
  readonly UPSTASH_KEYS_MAX: string
  readonly EDGE_KEYS: string
  /** Absent: a hundredth. */
  readonly TRACE_SHARE?: string
  /** JSON `{audience, provider, serviceAccount}`; absent where the cores are not behind Google's IAM. */
  readonly GOOGLE_IDENTITY?: string
  /** A secret: the private key that `npm run edge-key` made, as JSON. It goes with `GOOGLE_IDENTITY`. */
  readonly GOOGLE_KEY?: string
  readonly PUBLIC_LIMIT: RateLimit
  readonly CALLER_LIMIT: RateLimit
  readonly SERVER_LIMIT: RateLimit
  readonly ASSETS: Fetcher
}

/** A region's core, and the continents (as Cloudflare names them) that are nearest to it. */
export type CellAddress = { readonly coreUrl: string; readonly near: readonly string[] }

/** The bindings, parsed. */
export type Environment = {
  readonly cells: ReadonlyMap<Cell, CellAddress>
  readonly controlCell: Cell
  readonly issuer: string
  /** `keysMax`: how many keys the database is sized for; entries take four fifths of them at the most. */
  readonly upstash: { readonly url: string; readonly token: string; readonly keysMax: number }
  readonly edgeKeys: readonly [NamedKey, ...NamedKey[]]
  readonly limits: { readonly public: RateLimit; readonly caller: RateLimit; readonly server: RateLimit }
  readonly assets: Fetcher
  /** Of all requests, those whose traces are recorded, 0 to 1. */
  readonly traceShare: number
  /** By which the edge is let in to the cores; undefined where nothing stands before them. */
  readonly google: { readonly identity: GoogleIdentity; readonly key: GoogleKey } | undefined
}

const cellsSchema = z
  .record(z.string(), z.strictObject({ coreUrl: z.url(), near: z.array(z.string()) }))
  .transform((cells) => new Map(Object.entries(cells).map(([cell, address]) => [cellSchema.parse(cell), address])))

/** Parses the bindings. @throws Error that names the variable that is missing or bad, never its value */
export const parseEnvironment = (bindings: Bindings): Environment => ({
  cells: named('CELLS', () => cellsSchema.parse(JSON.parse(bindings.CELLS))),
  controlCell: named('CONTROL_CELL', () => cellSchema.parse(bindings.CONTROL_CELL)),
  issuer: named('ISSUER', () => z.url().parse(bindings.ISSUER)),
  upstash: {
    url: named('UPSTASH_URL', () => z.url().parse(bindings.UPSTASH_URL)),
    token: named('UPSTASH_TOKEN', () => z.string().min(1).parse(bindings.UPSTASH_TOKEN)),
    keysMax: named('UPSTASH_KEYS_MAX', () => z.coerce.number().int().min(1).parse(bindings.UPSTASH_KEYS_MAX)),
  },
  edgeKeys: named('EDGE_KEYS', () => parseNamedKeys(bindings.EDGE_KEYS)),
  limits: { public: bindings.PUBLIC_LIMIT, caller: bindings.CALLER_LIMIT, server: bindings.SERVER_LIMIT },
  assets: bindings.ASSETS,
  traceShare: named('TRACE_SHARE', () =>
    z.coerce
      .number()
      .min(0)
      .max(1)
      .parse(bindings.TRACE_SHARE ?? '0.01'),
  ),
  google: googleOf(bindings),
})

const googleOf = ({ GOOGLE_IDENTITY, GOOGLE_KEY }: Bindings): Environment['google'] =>
  GOOGLE_IDENTITY === undefined
    ? undefined
    : {
        identity: named('GOOGLE_IDENTITY', () => googleIdentitySchema.parse(JSON.parse(GOOGLE_IDENTITY))),
        key: named('GOOGLE_KEY', () => googleKeySchema.parse(JSON.parse(GOOGLE_KEY ?? ''))),
      }

const named = <Value>(name: string, parse: () => Value): Value => {
  try {
    return parse()
  } catch (cause) {
    throw new Error(`the variable ${name} is missing or not as it should be`, { cause })
  }
}
