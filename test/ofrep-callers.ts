import { randomUUID } from 'node:crypto'
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider'
import { OpenFeature as Server } from '@openfeature/server-sdk'
import { type Provider, OpenFeature as Web } from '@openfeature/web-sdk'
import { checkedFetch } from './checked-fetch.ts'

/** What a provider sent, and how it was answered. */
export type Exchanged = { readonly request: Request; readonly response: Response }

type Settings = { readonly baseUrl: string; readonly headers: readonly (readonly [string, string])[] }

/** Fetches held to the contract, and what went over the wire. */
const recorder = () => {
  const exchanged: Exchanged[] = []
  const fetchImplementation = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const response = await checkedFetch(request.clone())
    exchanged.push({ request, response })
    return response.clone()
  }
  return { exchanged, fetchImplementation }
}

const headersOf = ({ headers }: Settings) => headers.map(([name, value]): [string, string] => [name, value])

/** OpenFeature's SDK for browsers with the published provider, each in a domain of its own. */
export const startWeb = async (settings: Settings, context: Record<string, string | number> = {}) => {
  const domain = randomUUID()
  const { exchanged, fetchImplementation } = recorder()
  const { baseUrl } = settings
  // There is no storage where this runs.
  const options = { baseUrl, headers: headersOf(settings), fetchImplementation, cacheMode: 'disabled' } as const
  const provider = new OFREPWebProvider({ ...options, pollInterval: 1_000_000 })
  await Web.setContext(domain, context)
  // The package was compiled without `exactOptionalPropertyTypes`.
  await Web.setProviderAndWait(domain, provider as Provider)
  return {
    exchanged,
    client: Web.getClient(domain),
    setContext: (changed: Record<string, string | number>) => Web.setContext(domain, changed),
    /** What the provider does when a page comes to the front again. */
    refresh: (of: Record<string, string | number>) => provider.onContextChange?.(of, of),
    close: async () => provider.onClose?.(),
  }
}

/** OpenFeature's SDK for servers with the published provider, each in a domain of its own. */
export const startServer = async (settings: Settings) => {
  const domain = randomUUID()
  const { exchanged, fetchImplementation } = recorder()
  const { baseUrl } = settings
  await Server.setProviderAndWait(
    domain,
    new OFREPProvider({ baseUrl, headers: headersOf(settings), fetchImplementation }),
  )
  return { exchanged, client: Server.getClient(domain) }
}
