/**
 * The Worker behind the Cache API of a local data centre: workerd sends it `caches.default.match` as GET, `put` as PUT with
 * the whole response as HTTP/1.1 text, and `delete` as PURGE. What it keeps, every isolate of the process finds.
 *
 * An answer is kept for its `s-maxage` or `max-age`, and not at all without one; the one used longest ago goes first. It
 * answers no ranges and no conditions. Variables: `BYTES_MAX` of all that is kept; 0 makes a cache that never holds anything.
 * @see https://developers.cloudflare.com/workers/runtime-apis/cache/
 */
export default {
  fetch: (request, { BYTES_MAX }) => {
    // `caches.open(name)` has entries of its own.
    const key = `${request.headers.get('cf-cache-namespace') ?? ''} ${request.url}`
    switch (request.method) {
      case 'GET':
        return match(key)
      case 'PUT':
        return put(key, request, Number(BYTES_MAX))
      case 'PURGE':
        return new Response(null, { status: remove(key) ? 200 : 404 })
      default:
        return new Response(null, { status: 405 })
    }
  },
}

/** A door of its own, so that no Worker can reach it: what was counted since the start, as JSON. */
export const counts = { fetch: () => Response.json({ ...counted, entries: entries.size, bytes }) }

/** What an entry takes beside its body: map node, key, headers. */
const overheadBytes = 1_000

/** By use, the latest last. */
const entries = new Map()
const counted = { hits: 0, misses: 0, puts: 0 }
let bytes = 0

const sizeOf = ({ body }) => overheadBytes + body.length

const remove = (key) => {
  const entry = entries.get(key)
  if (!entry) return false
  entries.delete(key)
  bytes -= sizeOf(entry)
  return entry.until > Date.now()
}

const match = (key) => {
  const entry = entries.get(key)
  if (!entry || entry.until <= Date.now()) {
    remove(key)
    counted.misses++
    return new Response(null, { status: 504, headers: { 'cf-cache-status': 'MISS' } })
  }
  entries.delete(key)
  entries.set(key, entry)
  counted.hits++
  return new Response(entry.body, { status: entry.status, headers: [...entry.headers, ['cf-cache-status', 'HIT']] })
}

const put = async (key, request, bytesMax) => {
  const { status, headers, body } = parseResponse(new Uint8Array(await request.arrayBuffer()))
  counted.puts++
  const lifeMs = lifeMsOf(new Headers(headers).get('cache-control') ?? '')
  remove(key)
  if (lifeMs > 0) {
    const entry = { status, headers, body, until: Date.now() + lifeMs }
    entries.set(key, entry)
    bytes += sizeOf(entry)
  }
  for (const oldest of entries.keys()) {
    if (bytes <= bytesMax) break
    remove(oldest)
  }
  return new Response(null, { status: 204 })
}

/** What workerd frames anew for whoever is answered. */
const framing = ['content-length', 'transfer-encoding']

const parseResponse = (message) => {
  const end = endOfHead(message)
  const [statusLine = '', ...lines] = new TextDecoder().decode(message.subarray(0, end)).split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: headers.filter(([name]) => !framing.includes(name)),
    body: message.slice(end + 4),
  }
}

const endOfHead = (message) => {
  for (let at = message.indexOf(13); at >= 0; at = message.indexOf(13, at + 1))
    if (message[at + 1] === 10 && message[at + 2] === 13 && message[at + 3] === 10) return at
  throw new Error('what was put is no HTTP response')
}

const lifeMsOf = (cacheControl) => {
  if (/\b(no-store|no-cache|private)\b/i.test(cacheControl)) return 0
  const seconds = /\bs-maxage=(\d+)/i.exec(cacheControl) ?? /\bmax-age=(\d+)/i.exec(cacheControl)
  return Number(seconds?.[1] ?? 0) * 1_000
}
