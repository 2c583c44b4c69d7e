import { Fault, type InputError, inputErrorsOf } from '#contract/problem.ts'
import { fill, type Route } from '#contract/route.ts'
import type { Input } from './exchange.ts'

/** What a request asks of a route. @throws Fault `invalid_request` that tells of all faults of the first bad part */
export const parseInput = (route: Route, rawParams: Readonly<Record<string, string>>, url: string): Input => {
  const params = parsePart(route.params, rawParams, 'path')
  const query = route.query ? parsePart(route.query, Object.fromEntries(new URL(url).searchParams), 'query') : {}
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
