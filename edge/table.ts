import { TrieRouter } from 'hono/router/trie-router'
import { getPath, tryDecode } from 'hono/utils/url'
import { bySpecificity, type Route } from '#contract/route.ts'
import type { Input } from './exchange.ts'
import { parseInput } from './input.ts'

/** A request for a route of ours. */
export type AskedRoute = {
  readonly kind: 'route'
  readonly route: Route
  /** Path and query, parsed once. @throws Fault `invalid_request` */
  readonly readInput: () => Input
}

/** What a request asks for: a route of ours; a path of ours with a method that it does not take; or neither. */
export type Asked =
  | AskedRoute
  | { readonly kind: 'path'; readonly path: string; readonly methods: readonly string[] }
  | { readonly kind: 'nothing' }

const nothing: Asked = { kind: 'nothing' }

/** Addresses of routes that an isolate remembers, half a kilobyte each. The first to come is the first to go. */
const rememberedMax = 10_000

/**
 * Finds what a request asks for, and remembers it: an address always means the same. Hono's router, without its contexts and
 * chains of middleware: there is no middleware here, and they cost a hit in memory a seventh of its time.
 */
export const createTable = (routes: Readonly<Record<string, Route>>): ((request: Request) => Asked) => {
  const table = Object.values(routes).sort(bySpecificity)
  const router = new TrieRouter<Route>()
  for (const route of table) router.add(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), route)
  const methodsOf = createMethodsOf(table)
  const remembered = new Map<string, AskedRoute>()

  const find = (request: Request): Asked => {
    // Of the request nothing may be remembered but its address.
    const { method, url } = request
    const path = getPath(request)
    // RFC 9110 section 9.3.2: HEAD is GET without the content.
    const [handlers] = router.match(method === 'HEAD' ? 'GET' : method, path)
    const [found] = handlers
    if (!found) return methodsOf(path) ?? nothing
    const [route, rawParams] = found
    let input: Input | undefined
    const readInput = () => {
      input ??= parseInput(route, decoded(rawParams), url)
      return input
    }
    return { kind: 'route', route, readInput }
  }

  return (request) => {
    const address = `${request.method} ${request.url}`
    const known = remembered.get(address)
    if (known) return known
    const asked = find(request)
    if (asked.kind !== 'route') return asked
    if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value ?? '')
    remembered.set(address, asked)
    return asked
  }
}

/** This router tells each parameter's text; others tell its place, which is a number. */
const decoded = (params: Readonly<Record<string, string | number>>): Record<string, string> => {
  const values: Record<string, string> = {}
  for (const name in params) values[name] = tryDecode(String(params[name]), decodeURIComponent)
  return values
}

/** Which methods a path takes, whatever it was asked with; undefined for a path that none of the routes has. */
const createMethodsOf = (table: readonly Route[]) => {
  const paths = [...Map.groupBy(table, (route) => route.path)].map(([path, group]) => ({
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
    path,
    methods: group.map((route) => route.method),
  }))
  return (asked: string): Asked | undefined => {
    // Several have it where one has a name in the place of another's parameter, and each may take other methods.
    const matching = paths.filter(({ pattern }) => pattern.test(asked))
    const [first] = matching
    return (
      first && { kind: 'path', path: first.path, methods: [...new Set(matching.flatMap(({ methods }) => methods))] }
    )
  }
}
