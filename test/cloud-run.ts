import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { idTokenHeader } from '#infra/id-tokens.ts'
import type { LocalGoogle } from './google.ts'

/** What stands before a service of Cloud Run that is behind IAM, on this machine. */
export type FrontEnd = {
  readonly url: string
  /** The custom audience of its service, beside its own address. */
  readonly audience: string
  /** Who may call. */
  readonly invokers: Set<string>
  /** Whom it let in, in order, and what for. */
  readonly passed: { caller: string; path: string }[]
  /** How many it did not let in. */
  refused: number
  stop(): Promise<void>
}

/** What belongs to one connection, or follows from the body. */
const ofConnection = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive'])
/** What RFC 3986 calls unreserved need not be encoded. */
const decodedOf = (target: string): string =>
  target.replace(/%[0-9A-F]{2}/gi, (code) => {
    const character = decodeURIComponent(/%[89A-F]/i.test(code) ? '%25' : code)
    return /^[\w.~-]$/.test(character) ? character : code
  })

const checkedMark = 'SIGNATURE_REMOVED_BY_GOOGLE'

/**
 * Lets through what comes with a token of Google's for one of its audiences, of one who may call. One header of the two is checked,
 * its own where there are both; of the token in that one the service gets to see no signature, and the other one passes as it is.
 * Paths that end in z never arrive, and characters that were encoded without need arrive as themselves.
 * @see https://cloud.google.com/run/docs/authenticating/service-to-service
 * @see https://cloud.google.com/run/docs/known-issues
 */
export const startFrontEnd = async (
  google: LocalGoogle,
  serviceUrl: string,
  invokers: readonly string[],
): Promise<FrontEnd> => {
  const { audience } = google.identity
  const check = async (
    headers: IncomingHttpHeaders,
  ): Promise<{ caller: string; name: string; text: string } | number> => {
    const name = headers[idTokenHeader] === undefined ? 'authorization' : idTokenHeader
    const token = /^Bearer (\S+)$/i.exec(String(headers[name] ?? ''))?.[1]
    if (token === undefined) return 403
    const caller = await google.verify(token, audience)
    if (caller === undefined) return 401
    if (!frontEnd.invokers.has(caller)) return 403
    return { caller, name, text: `bearer ${token.split('.').slice(0, 2).join('.')}.${checkedMark}` }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname: path } = new URL(request.url ?? '/', serviceUrl)
    const refuse = (status: number) => {
      frontEnd.refused++
      response.writeHead(status, { 'content-type': 'text/html; charset=UTF-8' }).end('<html>Error</html>')
    }
    const body = await buffer(request)
    if (path.endsWith('z')) return refuse(404)
    const checked = await check(request.headers)
    if (typeof checked === 'number') return refuse(checked)
    frontEnd.passed.push({ caller: checked.caller, path })
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers))
      if (typeof value === 'string' && !ofConnection.has(name)) headers.set(name, value)
    headers.set(checked.name, checked.text)
    const answer = await fetch(serviceUrl + decodedOf(request.url ?? '/'), {
      method: request.method ?? 'GET',
      headers,
      ...(body.length > 0 ? { body } : {}),
    })
    const answered = [...answer.headers].filter(([name]) => !ofConnection.has(name))
    response.writeHead(answer.status, Object.fromEntries(answered)).end(Buffer.from(await answer.arrayBuffer()))
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on a port')
  const frontEnd: FrontEnd = {
    url: `http://127.0.0.1:${address.port}`,
    audience,
    invokers: new Set(invokers),
    passed: [],
    refused: 0,
    stop: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return frontEnd
}
