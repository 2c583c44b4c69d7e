import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { createLocalJWKSet, decodeJwt, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { createEdgeKey, type EdgeKeySet } from '#infra/edge-key.ts'
import { edgeSubject, type GoogleIdentity, type GoogleKey } from '#infra/google-identity.ts'

/** A part of Google on this machine, and how it can fail. */
type Part = {
  /** Requests that it had. */
  requests: number
  /** Answers this status, with `answer` or none. */
  status?: number | undefined
  /** Replaces the body. */
  answer?: string | undefined
  /** Takes requests, and never answers. */
  silent?: boolean
}

/** Where Google makes tokens: the Security Token Service, IAM Credentials, and a machine's metadata server. */
export type LocalGoogle = {
  readonly url: string
  /** As the metadata server is named: `host:port`. */
  readonly host: string
  readonly identity: GoogleIdentity
  readonly key: GoogleKey
  /** What the pool's provider has been given; to be exchanged as Terraform would. */
  keySet: EdgeKeySet
  readonly exchange: Part
  readonly generate: Part
  readonly metadata: Part & { flavor?: string | undefined }
  /** How long ID tokens live, in seconds, and how far Google's clock is ahead of ours. */
  lifeSeconds: number
  skewMs: number
  /** Another audience than the one that was asked for. */
  audience: string | undefined
  /** What Cloud Run says of a token: who calls, if it is one of Google's for `audience` that has not ended. */
  verify(token: string, audience: string): Promise<string | undefined>
  /** An ID token as Google makes them, for any account and with any claims. */
  token(claims: Readonly<Record<string, unknown>>): Promise<string>
  stop(): Promise<void>
}

const provider = 'projects/123/locations/global/workloadIdentityPools/perigee/providers/edge'
/** Who the metadata server says that its machine is. */
export const machineAccount = 'perigee-us1-api@perigee.iam.gserviceaccount.com'
const edgeAccount = 'perigee-edge@perigee.iam.gserviceaccount.com'

/** Starts one that knows one key of the edge. `issuer` is what its provider was given. */
export const startGoogle = async ({ issuer }: { readonly issuer: string }): Promise<LocalGoogle> => {
  const { privateKey: key, publicKey } = await createEdgeKey()
  const own = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'google-1', alg: 'RS256' }
  const now = () => new Date(Date.now() + google.skewMs)
  const federated = new Set<string>()

  const token: LocalGoogle['token'] = (claims) => {
    const issuedAt = Math.floor(now().getTime() / 1_000)
    const times = { iat: issuedAt, exp: issuedAt + google.lifeSeconds }
    return new SignJWT({ iss: 'https://accounts.google.com', sub: '1', email_verified: true, ...times, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'google-1', typ: 'JWT' })
      .sign(own.privateKey)
  }

  /** @see https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token */
  const exchange = async (request: IncomingMessage): Promise<Answer> => {
    const form = new URLSearchParams(await text(request))
    const refuse = (reason: string): Answer => [400, { error: 'invalid_grant', error_description: reason }]
    const expected = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: `//iam.googleapis.com/${provider}`,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: 'https://www.googleapis.com/auth/iam',
    }
    for (const [name, value] of Object.entries(expected))
      if (form.get(name) !== value) return refuse(`${name} is wrong`)
    if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') !== true)
      return refuse('no form')
    const subject = form.get('subject_token') ?? ''
    const { iat = 0, exp = 0 } = decodeJwt(subject)
    if (iat * 1_000 > now().getTime()) return refuse('issued in the future')
    if (exp - iat > 48 * 3_600) return refuse('lives too long')
    try {
      const { payload } = await jwtVerify(subject, createLocalJWKSet(google.keySet), {
        algorithms: ['RS256', 'ES256'],
        issuer,
        audience: expected.audience,
        subject: edgeSubject,
        currentDate: now(),
        requiredClaims: ['iat', 'exp'],
      })
      const made = `ya29.d.${payload.sub}${crypto.randomUUID()}`
      federated.add(made)
      return [200, { access_token: made, issued_token_type: expected.requested_token_type, token_type: 'Bearer' }]
    } catch (error) {
      // As whoever repeats what they were given.
      return refuse(`${error instanceof Error ? error.message : error}: ${subject}`)
    }
  }

  /** @see https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken */
  const generate = async (request: IncomingMessage): Promise<Answer> => {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const refuse = (status: number, name: string): Answer => [status, { error: { code: status, status: name } }]
    if (!bearer || !federated.has(bearer)) return refuse(401, 'UNAUTHENTICATED')
    if (request.url !== `/v1/projects/-/serviceAccounts/${edgeAccount}:generateIdToken`)
      return refuse(403, 'PERMISSION_DENIED')
    const { audience, includeEmail } = JSON.parse(await text(request))
    const email = includeEmail === true ? { email: edgeAccount } : {}
    return [200, { token: await token({ aud: google.audience ?? audience, ...email }) }]
  }

  /** @see https://cloud.google.com/compute/docs/metadata/overview */
  const metadata = async (url: URL, request: IncomingMessage): Promise<Answer> => {
    if (request.headers['metadata-flavor'] !== 'Google') return [403, 'Missing Metadata-Flavor:Google header.']
    const audience = google.audience ?? url.searchParams.get('audience')
    return [200, await token({ aud: audience, email: machineAccount })]
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://google.invalid')
    const parts: readonly [string, Part, () => Promise<Answer>][] = [
      ['/v1/token', google.exchange, () => exchange(request)],
      ['/v1/projects/', google.generate, () => generate(request)],
      ['/computeMetadata/v1/instance/service-accounts/default/identity', google.metadata, () => metadata(url, request)],
    ]
    const [, part, answerWell] = parts.find(([path]) => url.pathname.startsWith(path)) ?? []
    if (!part || !answerWell) return void response.writeHead(404).end()
    part.requests++
    if (part.silent) return
    const [status, body] = part.status === undefined ? await answerWell() : [part.status, '']
    const flavor = google.metadata.flavor ?? 'Google'
    response
      .writeHead(status, { 'metadata-flavor': flavor })
      .end(part.answer ?? (typeof body === 'string' ? body : JSON.stringify(body)))
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on a port')
  const host = `127.0.0.1:${address.port}`
  const url = `http://${host}`

  const google: LocalGoogle = {
    url,
    host,
    identity: {
      audience: 'https://core.perigee.example',
      provider,
      serviceAccount: edgeAccount,
      endpoints: { tokens: `${url}/v1/token`, credentials: url },
    },
    key,
    keySet: { keys: [publicKey] },
    exchange: { requests: 0 },
    generate: { requests: 0 },
    metadata: { requests: 0 },
    lifeSeconds: 3_600,
    skewMs: 0,
    audience: undefined,
    verify: async (presented, audience) => {
      try {
        const keys = createLocalJWKSet({ keys: [jwk] })
        const { payload } = await jwtVerify(presented, keys, { algorithms: ['RS256'], audience, currentDate: now() })
        return String(payload.email)
      } catch {
        return undefined
      }
    },
    token,
    stop: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return google
}

/** Status and body, a value that is answered as JSON. */
type Answer = readonly [number, unknown]
