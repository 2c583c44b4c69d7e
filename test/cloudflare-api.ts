import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a deployment asked of Cloudflare. */
export type CloudflareCall = {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: string
}

/** As much of Cloudflare's API as wrangler needs to deploy a Worker that is not there yet. */
export type CloudflareApi = {
  readonly url: string
  readonly calls: readonly CloudflareCall[]
  stop(): Promise<void>
}

const versionId = '11111111-1111-4111-8111-111111111111'

const answers: readonly { readonly path: RegExp; readonly result: unknown }[] = [
  { path: /\/assets-upload-session$/, result: { jwt: 'uploaded', buckets: [] } },
  { path: /\/secrets$/, result: [] },
  { path: /\/deployments$/, result: { deployments: [] } },
  { path: /\/domains\/changeset$/, result: { added: [], removed: [], updated: [], conflicting: [] } },
  { path: /\/workers\/workers\/[\w-]+$/, result: { subdomain: { enabled: false, previews_enabled: false }, tags: [] } },
  { path: /\/subdomain$/, result: { enabled: false, previews_enabled: false } },
  {
    path: /\/workers\/scripts\/[\w-]+$/,
    result: { id: 'perigee', deployment_id: versionId.replaceAll('-', ''), startup_time_ms: 5 },
  },
]

export const startCloudflareApi = async (): Promise<CloudflareApi> => {
  const calls: CloudflareCall[] = []
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const path = new URL(req.url ?? '', 'http://cloudflare').pathname
    const { authorization } = req.headers
    calls.push({ method: req.method ?? '', path, authorization, body: Buffer.concat(chunks).toString('latin1') })
    const isAbsent = /\/workers\/services\//.test(path)
    const result = answers.find((answer) => answer.path.test(path))?.result ?? {}
    res.writeHead(isAbsent ? 404 : 200, { 'content-type': 'application/json' })
    const errors = isAbsent ? [{ code: 10_090, message: 'workers.api.error.service_not_found' }] : []
    res.end(JSON.stringify({ success: !isAbsent, errors, messages: [], result: isAbsent ? null : result }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/client/v4`,
    calls,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
