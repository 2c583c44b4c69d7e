import { parsePart } from '#contract/input.ts'
import { fill, type Route } from '#contract/route.ts'
import type { Input } from './exchange.ts'

/** What a request asks of a route. @throws Fault `invalid_request` that tells of all faults of the first bad part */
export const parseInput = (route: Route, rawParams: Readonly<Record<string, string>>, url: string): Input => {
  const params = parsePart(route.params, rawParams, 'path') ?? {}
  const query = parsePart(route.query, route.query && Object.fromEntries(new URL(url).searchParams), 'query') ?? {}
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))
  search.sort()
  // The one character that URLs need not encode and forms do.
  const text = search.toString().replaceAll('%7E', '~')
  return { params, query, target: fill(route.path, params) + (text === '' ? '' : `?${text}`) }
}
