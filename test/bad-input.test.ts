import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { contentsOf } from './contents.ts'
import { startWorld } from './harness.ts'
import { answerTo, expectInvalid, problemOf } from './refusals.ts'
import { type Cast, requestOf, validCall, withHeaders } from './valid-call.ts'

let cast: Cast
let before: Record<string, string>
beforeAll(async () => {
  const world = await startWorld()
  cast = { world, player: await world.signIn() }
})
afterAll(() => cast?.world.stop())
beforeEach(async () => {
  before = await contentsOf(cast.world)
})
// Of everything that is refused here nothing may be left.
afterEach(async () => {
  expect(await contentsOf(cast.world)).toEqual(before)
})

const refused = (name: string, body: string, pointer: string) => expectInvalid(cast, { name, body, pointer })

const withBodies = [
  'signInWithDevice',
  'signInWithEmail',
  'signInWithGoogle',
  'signInWithCustom',
  'refreshSession',
  'updateOwnProfile',
  'createWalletTransaction',
  'createWalletTransactions',
] as const

test.each(withBodies)('to %s what is no JSON, or not UTF-8, is malformed', async (name) => {
  for (const body of ['{', '', ' ', '{"a":1,}', "{'a':1}", 'NaN', '{"a":1}{"b":2}', '\ufeff\ufeff{}', '{"a":"\u0001"}'])
    expect((await answerTo(cast, name, body)).code, JSON.stringify(body)).toBe('malformed_json')
  const valid = validCall(cast, name).body ?? ''
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf0, 0x9f]]) {
    const body = Uint8Array.from([...new TextEncoder().encode(`{"x":"`), ...bytes, 0x22, 0x7d])
    expect((await answerTo(cast, name, body)).code, bytes.join()).toBe('malformed_json')
  }
  expect((await answerTo(cast, name, Uint8Array.from(Buffer.from(valid, 'utf16le')))).code).toBe('malformed_json')
})

test.each(withBodies)(
  'to %s a body of another type, with a member too many or without one is pointed at',
  async (name) => {
    for (const body of ['null', '1', '"text"', '[]', 'true']) await refused(name, body, '')
    const valid = JSON.parse(validCall(cast, name).body ?? '')
    await refused(name, JSON.stringify({ ...valid, extra: 1 }), '/extra')
    await refused(name, JSON.stringify({ ...valid, 'a/b~c': 1 }), '/a~1b~0c')
    await refused(name, `{"__proto__":{"a":1},${JSON.stringify(valid).slice(1)}`, '/__proto__')
    for (const member of Object.keys(valid)) {
      await refused(name, JSON.stringify({ ...valid, [member]: { not: 'this' } }), `/${member}`)
      const { [member]: _, ...rest } = valid
      // A profile takes any of its members, but not none.
      await refused(name, JSON.stringify(rest), name === 'updateOwnProfile' ? '' : `/${member}`)
    }
  },
)

test('of many faults the first twenty are told', async () => {
  const members = Array.from({ length: 50 }, (_, at) => [`member${at}`, at])
  const { errors } = await answerTo(cast, 'signInWithDevice', JSON.stringify(Object.fromEntries(members)))
  expect(errors).toHaveLength(20)
})

test.each(withBodies)(
  'to %s a body over 64 KiB is refused, whether or not it says its length, and the bound is told',
  async (name) => {
    const large = new TextEncoder().encode(JSON.stringify({ text: 'x'.repeat(65_536) }))
    expect(await answerTo(cast, name, large)).toMatchObject({ code: 'body_too_large', limitBytes: 65_536 })
    const chunked = new ReadableStream({
      start: (controller) => {
        for (let at = 0; at < large.length; at += 8_192) controller.enqueue(large.slice(at, at + 8_192))
        controller.close()
      },
    })
    expect(await answerTo(cast, name, chunked)).toMatchObject({ code: 'body_too_large', limitBytes: 65_536 })
  },
)

test.each(withBodies)('to %s arrays and objects nested deeper than 32 are refused', async (name) => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    await refused(name, `${open.repeat(33)}1${close.repeat(33)}`, '')
    await refused(name, open.repeat(10_000), '')
  }
})

test('a missing Idempotency-Key is asked for, and one that will not do is pointed at', async () => {
  for (const name of ['createWalletTransaction', 'createWalletTransactions', 'updateOwnProfile']) {
    for (const key of ['a b', 'a\tb', 'é', 'a'.repeat(256)]) {
      const spoilt = withHeaders(validCall(cast, name), { 'idempotency-key': key })
      expect(await problemOf(requestOf(cast.world.edgeUrl, spoilt)), key).toMatchObject({
        code: 'idempotency_key_invalid',
        errors: [{ in: 'header', pointer: '/Idempotency-Key' }],
      })
    }
  }
  for (const key of [undefined, '']) {
    const spoilt = withHeaders(validCall(cast, 'createWalletTransaction'), { 'idempotency-key': key })
    expect(await problemOf(requestOf(cast.world.edgeUrl, spoilt))).toMatchObject({
      code: 'idempotency_key_missing',
      errors: [{ in: 'header', pointer: '/Idempotency-Key' }],
    })
  }
})

test('a body that does not say that it is JSON is not read as JSON', async () => {
  for (const name of withBodies) {
    for (const type of [
      'text/plain',
      'application/jsonp',
      'application/problem+json',
      'json',
      'text/json;application/json',
    ]) {
      const spoilt = withHeaders(validCall(cast, name), { 'content-type': type })
      expect((await problemOf(requestOf(cast.world.edgeUrl, spoilt))).code, type).toBe('unsupported_media_type')
    }
    const bytes = new TextEncoder().encode(validCall(cast, name).body)
    const untyped = requestOf(cast.world.edgeUrl, {
      ...withHeaders(validCall(cast, name), { 'content-type': undefined }),
      body: undefined,
    })
    expect((await problemOf(new Request(untyped, { body: bytes }))).code).toBe('unsupported_media_type')
  }
})
