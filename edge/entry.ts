import * as z from 'zod'

/** An answer of a cached route as every tier holds it. Times are milliseconds since 1970. */
export type Entry = {
  /** The version of the thing, as read in the same snapshot as the body. */
  readonly version: number
  /** When the core read it. Copied from tier to tier, so that lives do not stack. */
  readonly storedAt: number
  /** When it was last known to be the newest: at the fill, or when the global tier knew of no higher version. */
  readonly checkedAt: number
  /** 200, or 404 for what is not there. */
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly etag: string
}

/** What the global tier stores: it tells by itself whether an entry is the newest, so `checkedAt` is left out. */
const storedSchema = z.object({
  version: z.int().nonnegative(),
  storedAt: z.int(),
  status: z.union([z.literal(200), z.literal(404)]),
  contentType: z.string(),
  body: z.string(),
})

export const encodeEntry = ({ version, storedAt, status, contentType, body }: Entry): string =>
  JSON.stringify({ version, storedAt, status, contentType, body })

/** The inverse of `encodeEntry`; undefined for anything else, such as an entry of another release. */
export const decodeEntry = (text: string, checkedAt: number): Entry | undefined => {
  try {
    const stored = storedSchema.parse(JSON.parse(text))
    return { ...stored, checkedAt, etag: etagOf(stored.version, stored.body) }
  } catch {
    return undefined
  }
}

/** Of version and body: a release that renders the same row in another way gets another one. */
export const etagOf = (version: number, body: string): string => `"${version.toString(36)}-${fnv1a(body).toString(36)}"`

/** FNV-1a, 32 bits: tells renderings of one version apart; versions tell everything else apart. */
const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
