import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type ErrorCode, errors } from '#contract/errors.ts'
import { errorsOf, type Route } from '#contract/route.ts'
import { routes } from '#contract/routes.ts'
import { currentPath, documentText, publishedFiles } from '#contract/write-documents.ts'

// No validator of OpenAPI is installed, so what generators of clients trip over is checked here by hand: references,
// names, parameters, patterns, and that nothing of the table is missing.

type Json = { readonly [member: string]: unknown }
type Operation = {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly security: readonly Json[]
  readonly parameters?: readonly Json[]
  readonly requestBody?: { readonly required: boolean; readonly content: Json }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Json }>>
}

const document = JSON.parse(await readFile(currentPath('openapi.json'), 'utf8'))

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Every object of the document, with where it stands. */
function* objectsIn(value: unknown, pointer = '#'): Generator<{ pointer: string; object: Json }> {
  if (isObject(value)) yield { pointer, object: value }
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value))
    yield* objectsIn(member, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
}

const all = [...objectsIn(document)]
const byPointer = new Map(all.map(({ pointer, object }) => [pointer, object]))

const resolve = (object: Json): Json =>
  typeof object.$ref === 'string' ? (byPointer.get(object.$ref) ?? object) : object

const operations = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation, where: `${method} ${path}` })),
)

const table = Object.entries<Route>(routes)

test.each(publishedFiles)('the checked-in %s is what the tables generate', async (file) => {
  const text = await readFile(currentPath(file), 'utf8')
  expect(text === (await documentText(file)), `contract/${file} has drifted; mend it with: npm run generate`).toBe(true)
})

test('the document says what OpenAPI 3.1 asks of it: version, title, paths, and a description for every response', () => {
  expect(document.openapi).toBe('3.1.0')
  expect(document.info).toMatchObject({ title: 'Perigee', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
  expect(Object.keys(document.paths).every((path) => path.startsWith('/'))).toBe(true)
  for (const { operation, where } of operations) {
    expect(Object.keys(operation.responses).length, where).toBeGreaterThan(1)
    for (const [status, response] of Object.entries(operation.responses)) {
      expect(status, where).toMatch(/^[2345]\d\d$/)
      expect(response.description, `${where} ${status}`).toBeTruthy()
    }
    for (const scheme of operation.security.flatMap(Object.keys))
      expect(document.components.securitySchemes, where).toHaveProperty(scheme)
  }
})

test('every reference leads to something, and every component is referred to', () => {
  const references = all.flatMap(({ object, pointer }) =>
    '$ref' in object ? [{ pointer, to: String(object.$ref) }] : [],
  )
  const dangling = references.filter(({ to }) => !byPointer.has(to))
  expect(dangling).toEqual([])
  const used = new Set(references.map(({ to }) => to))
  const components = ['schemas', 'headers', 'parameters'].flatMap((kind) =>
    Object.keys(document.components[kind]).map((name) => `#/components/${kind}/${name}`),
  )
  expect(components.filter((pointer) => !used.has(pointer))).toEqual([])
  expect(references.length).toBeGreaterThan(50)
})

test('an operation for servers names its scope, and one for operators its role, for programs and for people', () => {
  for (const [name, { access, scope, role }] of table) {
    const { security, description } =
      operations.find(({ operation }) => operation.operationId === name)?.operation ?? {}
    const needed = scope ?? role
    if (needed === undefined) continue
    expect(security, name).toEqual([{ [access]: [needed] }])
    expect(description, name).toContain(`\`${needed}\``)
  }
  expect(table.filter(([, { scope, role }]) => scope ?? role).length).toBeGreaterThan(3)
})

test('operation ids are unique, and are the names of the table', () => {
  const ids = operations.map(({ operation }) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.toSorted()).toEqual(Object.keys(routes).toSorted())
})

test('every parameter of a path is declared once and required, and no other path parameter is', () => {
  for (const { path, operation, where } of operations) {
    const parameters = (operation.parameters ?? []).map(resolve)
    const declared = parameters.filter((parameter) => parameter.in === 'path')
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    expect(declared.map(({ name }) => name).toSorted(), where).toEqual(inPath.toSorted())
    expect(
      declared.every(({ required }) => required === true),
      where,
    ).toBe(true)
    expect(
      parameters.every(({ schema }) => isObject(schema)),
      where,
    ).toBe(true)
    const names = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
    expect(new Set(names).size, where).toBe(names.length)
  }
})

test('two paths differ in more than the names of their parameters', () => {
  const shapes = Object.keys(document.paths).map((path) => path.replace(/\{\w+\}/g, '{}'))
  expect(new Set(shapes).size).toBe(shapes.length)
})

test('every pattern is a regular expression of ECMAScript, and every required member is described', () => {
  for (const { pointer, object } of all) {
    // A member of that name in `properties` is a schema, not a keyword.
    if (typeof object.pattern === 'string') new RegExp(object.pattern, 'u')
    if (!Array.isArray(object.required)) continue
    for (const name of object.required) expect(object.properties, `${pointer} requires ${name}`).toHaveProperty(name)
  }
})

test('every route is described with its body, its success, and every code that it can answer under that code’s status', () => {
  const described = new Map(operations.map(({ operation }) => [operation.operationId, operation]))
  for (const [name, route] of table) {
    const operation = described.get(name)
    expect(operation?.requestBody?.required, name).toBe(route.body ? true : undefined)
    expect(operation?.responses, name).toHaveProperty(String(route.status))
    for (const code of errorsOf(route)) {
      const response = operation?.responses[String(errors[code].status)]
      expect(response?.description, `${name}: ${code}`).toContain(`\`${code}\`: ${errors[code].title}.`)
    }
  }
})

test('the problem of a code fixes its code and status, and names the members that it brings', () => {
  const problems = Object.entries<{ allOf: [Json, { properties: Record<string, Json>; required: string[] }] }>(
    document.components.schemas,
  ).filter(([name]) => /.Problem$/.test(name))
  for (const [name, { allOf }] of problems) {
    const [, own] = allOf
    const code = own.properties.code?.const as ErrorCode
    expect(own.properties.status?.const, name).toBe(errors[code].status)
    const definition = errors[code]
    const extras = 'extras' in definition ? Object.keys(definition.extras) : []
    expect(Object.keys(own.properties), name).toEqual(['code', 'status', ...extras])
    expect(own.required, name).toEqual(['code', 'status', ...extras])
  }
  // What only OFREP's routes answer has no problem: they say no in a form of their own.
  const declared = new Set(table.flatMap(([, route]) => (route.errorFormat ? [] : errorsOf(route))))
  expect(problems.length).toBe(declared.size)
  console.log(`openapi: ${operations.length} operations, ${all.length} objects, ${problems.length} problems`)
})
