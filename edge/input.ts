import { Fault, type InputError, inputErrorsOf } from '#contract/problem.ts'
import { fill, type Route } from '#contract/route.ts'
import type { Exchange, Input } from './exchange.ts'

/** Paths that an isolate remembers of each route, a few hundred bytes each. The first to come is the first to go. */
const rememberedMax = 10_000

/** Reads what a request asks of a route. @throws Fault `invalid_request` that tells of all faults of the first bad part */
export type ReadInput = (exchange: Exchange, rawParams: Readonly<Record<string, string>>) => Input

/** A path that was parsed once is remembered: it always means the same. */
export const createReadInput = (route: Route): ReadInput => {
  const remembered = new Map<string, Input>()
  return (exchange, rawParams) => {
    if (route.query) return parseInput(route, rawParams, Object.fromEntries(new URLSearchParams(exchange.search)))
    const known = remembered.get(exchange.path)
    if (known) return known
    const input = parseInput(route, rawParams, {})
    if (remembered.size >= rememberedMax) remembered.delete(remembered.keys().next().value ?? '')
    remembered.set(exchange.path, input)
    return input
  }
}

const parseInput = (
  route: Route,
  rawParams: Readonly<Record<string, string>>,
  rawQuery: Readonly<Record<string, string>>,
): Input => {
  const params = parsePart(route.params, rawParams, 'path')
  const query = parsePart(route.query, rawQuery, 'query')
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]))
  search.sort()
  return { params, query, target: fill(route.path, params) + (search.size > 0 ? `?${search}` : '') }
}

const parsePart = (
  schema: Route['params'],
  value: Readonly<Record<string, string>>,
  place: InputError['in'],
): Readonly<Record<string, unknown>> => {
  const result = schema?.safeParse(value)
  if (result && !result.success) throw new Fault('invalid_request', { errors: inputErrorsOf(result.error, place) })
  return result?.data ?? {}
}
