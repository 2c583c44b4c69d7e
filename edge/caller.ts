import type { EdgePrincipal } from '#contract/edge-request.ts'
import type { Clients } from '#contract/platform.ts'
import { Fault } from '#contract/problem.ts'
import type { Access } from '#contract/route.ts'
import type { Document, Documents } from './document.ts'
import type { Exchange } from './exchange.ts'
import { sha256 } from './hash.ts'
import type { RequireUnrevoked } from './revocation.ts'
import { bearerOf, type VerifySession } from './session.ts'

type Client = Clients['clients'][number]

/** Who calls, and from which web page. */
export type Callers = {
  /** @throws Fault `unauthenticated`, `key_invalid`, `token_invalid`, `token_expired` */
  identify(exchange: Exchange, access: Access): Promise<EdgePrincipal>
  /**
   * Whether the web page that sent the request may read answers: its origin is one of the key's, or, without a key in the
   * request (as in a preflight), of any key. True for what is no web page.
   */
  allowsOrigin(exchange: Exchange): Promise<boolean>
}

export const createCallers = ({
  documents,
  verifySession,
  requireUnrevoked,
}: {
  readonly documents: Documents
  readonly verifySession: VerifySession
  readonly requireUnrevoked: RequireUnrevoked
}): Callers => {
  let index:
    | { document: Document<'clients'>; byHash: Map<string, Client>; byKey: Map<string, Client | undefined> }
    | undefined

  const indexOf = async (exchange: Exchange) => {
    const document = await documents.get('clients', exchange)
    if (index?.document !== document) {
      index = {
        document,
        byHash: new Map(document.value.clients.map((client) => [client.hash, client])),
        byKey: new Map(),
      }
    }
    return index
  }

  const clientOf = async (exchange: Exchange, key: string): Promise<Client | undefined> => {
    const { byHash, byKey } = await indexOf(exchange)
    const known = byKey.get(key)
    if (known) return known
    const client = byHash.get(await sha256(key))
    if (client) byKey.set(key, client)
    return client
  }

  const identifyClient = async (exchange: Exchange, key: string): Promise<EdgePrincipal> => {
    const client = await clientOf(exchange, key)
    if (!client) throw new Fault('key_invalid')
    exchange.homeCell = client.homeCell ?? undefined
    return { kind: 'client', keyId: client.keyId }
  }

  const identify: Callers['identify'] = async (exchange, access) => {
    if (access === 'public') return { kind: 'public' }
    if (access === 'client') {
      const key = exchange.headers.get('x-api-key')
      if (!key) throw new Fault('unauthenticated', { detail: 'send a publishable key as X-API-Key' })
      return identifyClient(exchange, key)
    }
    const authorization = exchange.headers.get('authorization') ?? ''
    if (access === 'app') {
      // An app that has a session sends it beside its key, and is answered as its player.
      const key = authorization === '' ? exchange.headers.get('x-api-key') : keyOf(authorization)
      if (key !== undefined) return identifyClient(exchange, key)
    }
    if (access === 'player' || access === 'app') {
      const principal = await verifySession(exchange, authorization)
      await requireUnrevoked(exchange, principal)
      return principal
    }
    bearerOf(authorization)
    return { kind: access }
  }

  return {
    identify,
    allowsOrigin: async (exchange) => {
      const origin = exchange.headers.get('origin')
      if (origin === undefined) return true
      const key = exchange.headers.get('x-api-key') ?? keyOf(exchange.headers.get('authorization') ?? '')
      const client = key === undefined ? undefined : await clientOf(exchange, key)
      const clients = client ? [client] : (await indexOf(exchange)).document.value.clients
      return clients.some(({ origins }) => origins.includes('*') || origins.includes(origin))
    },
  }
}

/** A publishable key that came as a bearer, as OpenFeature's providers may send it; undefined for anything else. */
const keyOf = (authorization: string): string | undefined =>
  /^Bearer (pk_[\x21-\x7e]{1,253})$/i.exec(authorization)?.[1]
