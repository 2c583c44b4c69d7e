import { readFileSync } from 'node:fs'

export type RateLimit = { readonly name: string; readonly limit: number; readonly periodSeconds: number }

/** What workerd is told of a data centre. */
export type DataCentreConfig = {
  /** The main module's file, relative to the folder of the configuration. */
  readonly mainFile: string
  /** A port of 127.0.0.1 for each isolate. */
  readonly ports: readonly number[]
  /** Answers with what the cache has counted. */
  readonly countsPort: number
  readonly cacheBytesMax: number
  readonly compatibilityDate: string
  readonly compatibilityFlags: readonly string[]
  readonly vars: Readonly<Record<string, string>>
  readonly rateLimits: readonly RateLimit[]
}

const sourceOf = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')

/**
 * The configuration as text, with a constant `config`. Every isolate is a service with a socket of its own; they share
 * a cache, and nothing else.
 * @see https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp
 */
export const dataCentreConfig = (config: DataCentreConfig): string => {
  const { ports, countsPort, cacheBytesMax, compatibilityDate } = config
  const helper = (source: string, bindings = '') =>
    `(modules = [(name = "main.js", esModule = ${text(source)})], compatibilityDate = ${text(compatibilityDate)}, bindings = [${bindings}])`
  const cacheBindings = `(name = "BYTES_MAX", text = ${text(String(cacheBytesMax))})`
  const isolate = isolateOf(config)
  const services = [
    // The rest of a local stack has addresses that Workers cannot reach otherwise.
    '(name = "internet", network = (allow = ["public", "private"]))',
    `(name = "cache", worker = ${helper(sourceOf('./data-centre-cache.js'), cacheBindings)})`,
    `(name = "assets", worker = ${helper('export default { fetch: () => new Response(null, { status: 404 }) }')})`,
    ...ports.map((_, index) => `(name = "isolate-${index}", worker = ${isolate})`),
  ]
  const sockets = [
    `(name = "counts", address = "127.0.0.1:${countsPort}", http = (), service = (name = "cache", entrypoint = "counts"))`,
    ...ports.map(
      (port, index) =>
        `(name = "isolate-${index}", address = "127.0.0.1:${port}", http = (), service = "isolate-${index}")`,
    ),
  ]
  const rateLimit = `(name = "perigee:rate-limit", internal = true, esModule = ${text(sourceOf('./data-centre-rate-limit.js'))})`
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ${services.join(',\n    ')}
  ],
  sockets = [
    ${sockets.join(',\n    ')}
  ],
  extensions = [(modules = [${rateLimit}])],
);
`
}

const isolateOf = (config: DataCentreConfig): string => {
  const { mainFile, compatibilityDate, compatibilityFlags, vars, rateLimits } = config
  const bindings = [
    ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    '(name = "ASSETS", service = "assets")',
    ...rateLimits.map(
      ({ name, limit, periodSeconds }) =>
        `(name = ${text(name)}, wrapped = (moduleName = "perigee:rate-limit", innerBindings = [
          (name = "limit", json = "${limit}"), (name = "periodSeconds", json = "${periodSeconds}")]))`,
    ),
  ]
  return `(
      modules = [(name = "main.js", esModule = embed ${text(mainFile)})],
      compatibilityDate = ${text(compatibilityDate)},
      compatibilityFlags = [${compatibilityFlags.map(text).join(', ')}],
      cacheApiOutbound = "cache",
      bindings = [
        ${bindings.join(',\n        ')}
      ])`
}

/** A literal. JSON's escapes are those of Cap'n Proto, but for characters by their number. */
const text = (value: string) => JSON.stringify(value).replace(/\\u00([0-9a-f]{2})/g, '\\x$1')
