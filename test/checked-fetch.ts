import { setTimeout } from 'node:timers/promises'
import { expect } from 'vitest'
import * as z from 'zod'
import { errors, isErrorCode } from '#contract/errors.ts'
import { ofrepErrorSchema } from '#contract/flags.ts'
import { problemContentType, problemSchema } from '#contract/problem.ts'
import { bySpecificity, errorsOf, type Route } from '#contract/route.ts'
import { routes } from '#contract/routes.ts'

const table = Object.values<Route>(routes)
  .sort(bySpecificity)
  .map((route) => ({
    route,
    pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
  }))

/** The route that a request reaches, or undefined. */
export const routeOf = (method: string, pathname: string): Route | undefined =>
  table.find(({ route, pattern }) => route.method === method && pattern.test(pathname))?.route

/** Who has not read a body to its end closes the connection behind the answer, and what was sent on it meanwhile is lost. */
const closedAfterMs = 100

/** Fetches, and holds every answer to the contract: its status, its schema (with nothing beyond it), its codes, its headers. */
export const checkedFetch = async (request: Request): Promise<Response> => {
  const response = await fetch(request)
  await checkAnswer(request, response.clone())
  if (response.status === 413) await setTimeout(closedAfterMs)
  return response
}

const checkAnswer = async (request: Request, response: Response): Promise<void> => {
  const { pathname } = new URL(request.url)
  const route = routeOf(request.method, pathname)
  const where = `${request.method} ${pathname} -> ${response.status}`
  expect(response.headers.get('cache-control'), `${where}: Cache-Control`).toBeTruthy()
  expect(response.headers.get('x-request-id'), `${where}: X-Request-Id`).toBeTruthy()
  const text = await response.text()
  if (response.status >= 400) return checkProblem(where, route, { text, response })
  if (response.status === 304) return expect(text).toBe('')
  expect(response.status, where).toBe(route?.status)
  if (route && typeof route.answer !== 'string') {
    const strict = route.answer instanceof z.ZodObject ? route.answer.strict() : route.answer
    strict.parse(JSON.parse(text))
  }
}

type Told = { readonly text: string; readonly response: Response }

const problemOf = (where: string, { text, response }: Told) => {
  expect(response.headers.get('content-type'), where).toBe(problemContentType)
  const problem = problemSchema.parse(JSON.parse(text))
  expect(problem.status, where).toBe(response.status)
  return problem
}

/** A client would take the tag of a refusal for that of what it holds. */
const ofrepErrorOf = (where: string, { text, response }: Told) => {
  expect(response.headers.get('content-type'), where).toBe('application/json')
  expect(response.headers.get('etag'), where).toBe(null)
  const error = ofrepErrorSchema.strict().parse(JSON.parse(text))
  if (isErrorCode(error.code)) expect(errors[error.code].status, where).toBe(response.status)
  return error
}

const checkProblem = (
  where: string,
  route: Route | undefined,
  { text, response }: { text: string; response: Response },
) => {
  const problem =
    route?.errorFormat === 'ofrep' ? ofrepErrorOf(where, { text, response }) : problemOf(where, { text, response })
  expect(problem.requestId, where).toBe(response.headers.get('x-request-id'))
  expect(isErrorCode(problem.code), `${where}: ${problem.code} is in the table`).toBe(true)
  if (route) expect(errorsOf(route), where).toContain(problem.code)
  if (response.status === 429 || response.status === 503)
    expect(response.headers.get('retry-after'), where).toMatch(/^[1-9]\d*$/)
  expect(text, where).not.toMatch(/node_modules|\.ts:\d|at Object\.|postgres|drizzle/i)
}
