import * as z from 'zod'
import { type ErrorCode, errors } from './errors.ts'
import { ofrepErrorSchema } from './flags.ts'
import { createNamedSchemas, type Json, type NamedSchemas } from './json-schema.ts'
import { carriesRetryAfter, problemContentType, problemSchema } from './problem.ts'
import { errorsOf, type Route } from './route.ts'
import type { RouteTable } from './routes.ts'

const title = 'Perigee'
const description =
  'Live operations for mobile apps and games. Reads marked `cached` are answered near the caller; writes take effect once per `Idempotency-Key`; every failure is a problem document with a stable `code`.'

/** The OpenAPI 3.1 document of a table. The same table gives the same document, byte for byte. */
export const openApiDocument = (table: RouteTable, version: string): Json => {
  const components = createNamedSchemas('#/components/schemas/')
  const paths: Record<string, Record<string, Json>> = {}
  for (const [operationId, route] of Object.entries(table)) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operationOf(operationId, route, components),
    }
  }
  return {
    openapi: '3.1.0',
    info: { title, version, description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    paths,
    components: { schemas: components.all(), securitySchemes, headers, parameters },
  }
}

const securitySchemes = {
  publishableKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'Names the client app. Not a secret.',
  },
  player: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The access token of a signed-in player.',
  },
  server: { type: 'http', scheme: 'bearer', description: 'The key of another backend, sk_…' },
  operator: { type: 'http', scheme: 'bearer', description: 'The key of a person who runs the game, ok_…' },
}

const text = { type: 'string' }

const headers = {
  CacheStatus: { description: 'Which tier answered (RFC 9211).', schema: text },
  Consistency: {
    description: 'Echo it as `Perigee-Consistency` on later calls, and they see this write.',
    schema: text,
  },
  ETag: { description: 'Send it as `If-None-Match` and get 304 while nothing changed.', schema: text },
  Replayed: { description: '`true` when this is the answer of an earlier call with the same key.', schema: text },
  RequestId: { description: 'Names this request in every log.', schema: text },
  RetryAfter: {
    description: 'Whole seconds after which a retry makes sense.',
    schema: { type: 'integer', minimum: 1 },
  },
}

const parameters = {
  Consistency: {
    name: 'Perigee-Consistency',
    in: 'header',
    schema: text,
    description: 'The last one that an answer carried.',
  },
  IfNoneMatch: { name: 'If-None-Match', in: 'header', schema: text },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    schema: text,
    description: 'The revision that the caller has seen, in quotes; `*` for whatever there is.',
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
    description: 'New for each logical call, the same for its retries.',
  },
}

/** For schemes of this kind the list after the name is that of the roles which the caller needs. */
const securityOf = ({ access, scope, role }: Route): readonly Json[] => {
  switch (access) {
    case 'public':
      return []
    case 'client':
      return [{ publishableKey: [] }]
    case 'player':
      return [{ player: [] }]
    case 'app':
      return [{ publishableKey: [] }, { player: [] }]
    case 'server':
      return [{ server: scope ? [scope] : [] }]
    case 'operator':
      return [{ operator: role ? [role] : [] }]
  }
}

const descriptionOf = ({ description, scope, role }: Route): Json => {
  const needs = scope
    ? [`Needs a server key with the scope \`${scope}\`.`]
    : role
      ? [`Needs an operator whose role is \`${role}\` or higher.`]
      : []
  const sentences = [...(description ? [description] : []), ...needs]
  return sentences.length > 0 ? { description: sentences.join(' ') } : {}
}

const operationOf = (operationId: string, route: Route, components: NamedSchemas): Json => ({
  operationId,
  tags: [tagOf(route)],
  summary: route.summary,
  ...descriptionOf(route),
  security: securityOf(route),
  ...parametersOf(route, components),
  ...(route.body
    ? {
        requestBody: {
          required: true,
          content: { 'application/json': { schema: components.convert(route.body, 'input') } },
        },
      }
    : {}),
  responses: {
    [String(route.status)]: successOf(route, components),
    ...notModifiedOf(route),
    ...failuresOf(route, components),
  },
  'x-perigee-delivery': route.delivery,
  'x-perigee-cell': route.cell,
})

/** Operations are grouped by the first noun of their path. */
const tagOf = ({ path }: Route) => /^\/(?:v1|ofrep\/v1)\/([a-z-]+)/.exec(path)?.[1] ?? 'platform'

const parametersOf = (route: Route, components: NamedSchemas): Json => {
  const part = (schema: z.ZodObject | undefined, place: 'path' | 'query') =>
    Object.entries(schema?.shape ?? {}).map(([name, field]) => ({
      name,
      in: place,
      required: place === 'path' || !z.safeParse(field as z.ZodType, undefined).success,
      schema: components.convert(field as z.ZodType, 'input'),
    }))
  const { delivery } = route
  const refer = (name: keyof typeof parameters) => ({ $ref: `#/components/parameters/${name}` })
  const writes = delivery.kind === 'forwarded' && delivery.idempotencyKey !== 'none'
  const all = [
    ...part(route.params, 'path'),
    ...part(route.query, 'query'),
    ...(delivery.kind === 'cached' ? [refer('Consistency'), refer('IfNoneMatch')] : []),
    ...(hasEtag(route) && delivery.kind === 'local' ? [refer('IfNoneMatch')] : []),
    ...(route.precondition ? [refer('IfMatch')] : []),
    ...(writes && delivery.idempotencyKey === 'required' ? [{ ...parameters.IdempotencyKey, required: true }] : []),
    ...(writes && delivery.idempotencyKey === 'optional' ? [refer('IdempotencyKey'), refer('Consistency')] : []),
  ]
  return all.length > 0 ? { parameters: all } : {}
}

const successOf = (route: Route, components: NamedSchemas): Json => {
  const { delivery, answer } = route
  const writes = delivery.kind === 'forwarded' && delivery.idempotencyKey !== 'none'
  const refer = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })
  return {
    description: 'As asked.',
    headers: {
      'X-Request-Id': refer('RequestId'),
      ...(hasEtag(route) ? { ETag: refer('ETag') } : {}),
      ...(delivery.kind === 'cached' ? { 'Cache-Status': refer('CacheStatus') } : {}),
      ...(writes ? { 'Idempotency-Replayed': refer('Replayed'), 'Perigee-Consistency': refer('Consistency') } : {}),
    },
    content:
      typeof answer === 'string'
        ? { [answer]: { schema: text } }
        : { 'application/json': { schema: components.convert(answer, 'output') } },
  }
}

/** Whether its answer is told apart from others, so that one who has it already is not sent it again. */
const hasEtag = ({ delivery }: Route): boolean =>
  delivery.kind === 'cached' || (delivery.kind === 'local' && 'evaluates' in delivery && delivery.evaluates === 'flags')

const notModifiedOf = (route: Route): Json =>
  hasEtag(route) ? { '304': { description: 'What the caller has is still what there is.' } } : {}

/** One response a status, with the problem of each code that it can mean. */
const failuresOf = (route: Route, components: NamedSchemas): Json => {
  const byStatus = Map.groupBy(errorsOf(route), (code) => errors[code].status)
  const responses = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, codes]) => [String(status), failureOf(route, codes, components)])
  return Object.fromEntries(responses)
}

const failureOf = (route: Route, codes: readonly ErrorCode[], components: NamedSchemas): Json => {
  const retries = codes.some(carriesRetryAfter)
  return {
    description: codes.map((code) => `\`${code}\`: ${errors[code].title}.`).join(' '),
    headers: {
      'X-Request-Id': { $ref: '#/components/headers/RequestId' },
      ...(retries ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {}),
    },
    content:
      route.errorFormat === 'ofrep'
        ? { 'application/json': { schema: components.convert(ofrepErrorSchema, 'output') } }
        : { [problemContentType]: { schema: problemsOf(codes, components) } },
  }
}

const problemsOf = (codes: readonly ErrorCode[], components: NamedSchemas): Json => {
  const problems = codes.map((code) => components.refer(problemName(code), () => problemOf(code, components)))
  const [only] = problems
  return only && problems.length === 1 ? only : { oneOf: problems }
}

/** `insufficient_funds` -> `InsufficientFundsProblem` */
const problemName = (code: ErrorCode) =>
  `${code.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())}Problem`

/** The problem document of one code, with the extra members that it brings. */
const problemOf = (code: ErrorCode, components: NamedSchemas): Json => {
  const definition = errors[code]
  const shape =
    'extras' in definition
      ? components.convert(z.object(definition.extras), 'output')
      : { properties: {}, required: [] }
  const properties = { code: { const: code }, status: { const: definition.status }, ...(shape.properties as Json) }
  return {
    allOf: [
      components.convert(problemSchema, 'output'),
      { type: 'object', properties, required: ['code', 'status', ...(shape.required as string[])] },
    ],
  }
}
