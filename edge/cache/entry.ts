/** An answer of a cached route as every tier holds it. Times are milliseconds since 1970. */
export type Entry = {
  /** The version of the thing, as read in the same snapshot as the body. */
  readonly version: number
  /** As of when the core read it. Copied from tier to tier, so that lives do not stack. */
  readonly storedAt: number
  /** When it was last known to be the newest: as of then, nobody knew of a higher version. */
  readonly checkedAt: number
  /** How long the core took to answer, ms: the dearer an entry, the earlier it is renewed. */
  readonly loadMs: number
  /** 200, or 404 for what is not there. */
  readonly status: 200 | 404
  readonly contentType: string
  readonly body: string
  readonly etag: string
}

/** An answer as the core gave it: when it was checked is for whoever asked to say. */
export type Reading = Omit<Entry, 'checkedAt'>

/** What is told of an entry beside its body, in one line of its own: JSON in JSON would be escaped at each tier. */
export const encodeEntry = ({ version, storedAt, loadMs, status, contentType, body }: Reading): string =>
  `${version} ${storedAt} ${loadMs} ${status} ${contentType}\n${body}`

const headPattern = /^(\d{1,16}) (\d{1,16}) (\d{1,9}) (200|404) ([^\n]*)\n/

/** The inverse of `encodeEntry`, last checked at `checkedAt`; undefined for any other text. */
export const decodeEntry = (text: string, checkedAt: number): Entry | undefined => {
  const [head, version, storedAt, loadMs, status, contentType] = headPattern.exec(text) ?? []
  if (head === undefined || contentType === undefined) return undefined
  const body = text.slice(head.length)
  return {
    version: Number(version),
    storedAt: Number(storedAt),
    checkedAt,
    loadMs: Number(loadMs),
    status: status === '200' ? 200 : 404,
    contentType,
    body,
    etag: etagOf(Number(version), body),
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
