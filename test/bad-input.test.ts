import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Problem, problemSchema } from '#contract/problem.ts'
import { checkedFetch } from './checked-fetch.ts'
import { contentsOf } from './contents.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { type Call, requestOf, validCall, withHeaders } from './valid-call.ts'

let world: World
let player: SignedIn
let before: Record<string, string>
beforeAll(async () => {
  world = await startWorld()
  player = await world.signIn()
})
afterAll(() => world?.stop())
beforeEach(async () => {
  before = await contentsOf(world)
})
afterEach(async () => {
  expect(await contentsOf(world)).toEqual(before)
})

const problemOf = async (request: Request): Promise<Problem & { code: string }> =>
  problemSchema.parse(JSON.parse(await (await checkedFetch(request)).text()))

const call = (name: string): Call => validCall({ world, player }, name)

/** The answer to a route's valid call with this text, or these bytes, in the place of its body. */
const answerTo = (name: string, body: string | Uint8Array<ArrayBuffer>): Promise<Problem> =>
  problemOf(new Request(requestOf(world.edgeUrl, { ...call(name), body: undefined }), { body }))

const expectInvalid = async (name: string, body: string, pointer: string) => {
  const { code, errors } = await answerTo(name, body)
  expect([code, errors?.[0]?.in, errors?.map((error) => error.pointer)]).toEqual([
    'invalid_request',
    'body',
    expect.arrayContaining([pointer]),
  ])
}

const withBodies = ['signInWithDevice', 'refreshSession', 'updateOwnProfile', 'createWalletTransaction'] as const

test.each(withBodies)('to %s what is no JSON, or not UTF-8, is malformed', async (name) => {
  for (const body of ['{', '', ' ', '{"a":1,}', "{'a':1}", 'NaN', '{"a":1}{"b":2}', '\ufeff\ufeff{}', '{"a":"\u0001"}'])
    expect((await answerTo(name, body)).code, JSON.stringify(body)).toBe('malformed_json')
  const valid = call(name).body ?? ''
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf0, 0x9f]]) {
    const body = Uint8Array.from([...new TextEncoder().encode(`{"x":"`), ...bytes, 0x22, 0x7d])
    expect((await answerTo(name, body)).code, bytes.join()).toBe('malformed_json')
  }
  expect((await answerTo(name, Uint8Array.from(Buffer.from(valid, 'utf16le')))).code).toBe('malformed_json')
})

test.each(withBodies)(
  'to %s a body of another type, with a member too many or without one is pointed at',
  async (name) => {
    for (const body of ['null', '1', '"text"', '[]', 'true']) await expectInvalid(name, body, '')
    const valid = JSON.parse(call(name).body ?? '')
    await expectInvalid(name, JSON.stringify({ ...valid, extra: 1 }), '/extra')
    await expectInvalid(name, JSON.stringify({ ...valid, 'a/b~c': 1 }), '/a~1b~0c')
    await expectInvalid(name, `{"__proto__":{"a":1},${JSON.stringify(valid).slice(1)}`, '/__proto__')
    for (const member of Object.keys(valid)) {
      await expectInvalid(name, JSON.stringify({ ...valid, [member]: { not: 'this' } }), `/${member}`)
      const { [member]: _, ...rest } = valid
      // A profile takes any of its members, but not none.
      await expectInvalid(name, JSON.stringify(rest), name === 'updateOwnProfile' ? '' : `/${member}`)
    }
  },
)

test('of many faults the first twenty are told', async () => {
  const members = Array.from({ length: 50 }, (_, at) => [`member${at}`, at])
  const { errors } = await answerTo('signInWithDevice', JSON.stringify(Object.fromEntries(members)))
  expect(errors).toHaveLength(20)
})

test.each(withBodies)(
  'to %s a body over 64 KiB is refused, whether or not it says its length, and the bound is told',
  async (name) => {
    const large = new TextEncoder().encode(JSON.stringify({ text: 'x'.repeat(65_536) }))
    expect(await answerTo(name, large)).toMatchObject({ code: 'body_too_large', limitBytes: 65_536 })
    const chunked = new Request(requestOf(world.edgeUrl, { ...call(name), body: undefined }), {
      body: new ReadableStream({
        start: (controller) => {
          for (let at = 0; at < large.length; at += 8_192) controller.enqueue(large.slice(at, at + 8_192))
          controller.close()
        },
      }),
      duplex: 'half',
    })
    expect(await problemOf(chunked)).toMatchObject({ code: 'body_too_large', limitBytes: 65_536 })
  },
)

test.each(withBodies)('to %s arrays and objects nested deeper than 32 are refused', async (name) => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    await expectInvalid(name, `${open.repeat(33)}1${close.repeat(33)}`, '')
    await expectInvalid(name, open.repeat(10_000), '')
  }
})

const grant = (parts: { amount?: string; currency?: string; changes?: string; reason?: string }) => {
  const { amount = '1', currency = '"coins"', reason = '"test"' } = parts
  return `{"changes":${parts.changes ?? `[{"currency":${currency},"amount":${amount}}]`},"reason":${reason}}`
}

const amounts = [
  '9007199254740992',
  '9007199254740993',
  '-9007199254740992',
  '1e21',
  '1e400',
  '-1e400',
  '0.5',
  '1e-1',
  '0',
  '-0',
  '0.0',
  '"1"',
  'true',
  'null',
]
test.each(amounts)('an amount of %s is no amount', (amount) =>
  expectInvalid('createWalletTransaction', grant({ amount }), '/changes/0/amount'),
)

const change = (currency: string) => `{"currency":"${currency}","amount":1}`
const list = (length: number) => `[${Array.from({ length }, (_, at) => change(`coin${at}`)).join()}]`

const transactions = [
  [
    'the same currency twice',
    grant({ changes: `[${change('coins')},${change('gems')},${change('coins')}]` }),
    '/changes',
  ],
  ['21 changes', grant({ changes: list(21) }), '/changes'],
  ['no change', grant({ changes: '[]' }), '/changes'],
  ['a change too much in it', grant({ changes: '[{"currency":"coins","amount":1,"extra":1}]' }), '/changes/0/extra'],
  [
    'a second change that is wrong',
    grant({ changes: `[${change('coins')},${change('Gems')}]` }),
    '/changes/1/currency',
  ],
  ...['"Coins"', '""', '"1up"', '"__proto__"', '"a-b"', `"${'a'.repeat(33)}"`, '"coins\\u0000"', '"coins\\n"', '1'].map(
    (currency) => [`the currency ${currency}`, grant({ currency }), '/changes/0/currency'],
  ),
  ...[
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udc00a"',
    '"\\n"',
    '"\\u0085"',
    '""',
    '" a"',
    '"a "',
    `"${'a'.repeat(129)}"`,
  ].map((reason) => [`the reason ${reason.slice(0, 12)}`, grant({ reason }), '/reason']),
] as [string, string, string][]
test.each(transactions)('a transaction with %s is refused and pointed at', (_, body, pointer) =>
  expectInvalid('createWalletTransaction', body, pointer),
)

const profiles: [string, string[]][] = [
  [
    'displayName',
    [
      '"\\u0000"',
      '"a\\u0007b"',
      '"a\\nb"',
      '"\\u007f"',
      '"\\u009f"',
      '" Ada"',
      '"Ada "',
      '"Ada\\u00a0"',
      '"\\ud800"',
      '""',
      '" "',
      `"${'a'.repeat(33)}"`,
      'null',
      '1',
    ],
  ],
  [
    'metadata',
    [
      '{"a":"\\u0000"}',
      '{"\\u0000":1}',
      '{"a":["\\ud800"]}',
      '{"\\udfff":1}',
      '{"__proto__":{}}',
      '{"a":{"__proto__":1}}',
      '{"a":1e308}',
      '{"a":1e400}',
      '{"a":9007199254740993}',
      '{"a":[-9007199254740992]}',
      `{"a":"${'x'.repeat(8_192)}"}`,
      `{"a":"${'ä'.repeat(4_096)}"}`,
      '[]',
      'null',
      '"text"',
      '1',
    ],
  ],
  [
    'avatarUrl',
    [
      '"http://a.example/"',
      '"javascript:alert(1)"',
      '"//a.example/"',
      '"a"',
      '""',
      `"https://a.example/${'a'.repeat(512)}"`,
      '1',
      '"https://a.example/\\u0000"',
      '"https://a.example/\\u0001"',
      '"https://a.example/\\ud800"',
    ],
  ],
  ['country', ['"de"', '"DEU"', '"D"', '""', '"DE\\n"', '"Д1"', '1']],
  ['language', ['"e"', '"english-"', '"en_GB"', '""', '"en-\\u0000ab"', `"en${'-abcdefgh'.repeat(4)}"`, '1']],
  ['timeZone', ['"Mars/Olympus"', '""', '"Europe/Berlin\\u0000"', `"${'a'.repeat(65)}"`, '1']],
]
test.each(profiles.flatMap(([member, values]) => values.map((value) => [member, value.slice(0, 40), value] as const)))(
  'a profile whose %s is %s is refused and pointed at',
  (member, _, value) => expectInvalid('updateOwnProfile', `{"${member}":${value}}`, `/${member}`),
)

const devices = [
  '"123456789"',
  `"${'a'.repeat(129)}"`,
  `"${'ä'.repeat(65)}"`,
  '"0123456789\\ud800"',
  '1234567890',
  'null',
]
test.each(devices)('a device id of %s is none', (deviceId) =>
  expectInvalid('signInWithDevice', `{"deviceId":${deviceId}}`, '/deviceId'),
)

test('a missing Idempotency-Key is asked for, and one that will not do is pointed at', async () => {
  for (const name of ['createWalletTransaction', 'updateOwnProfile']) {
    for (const key of ['a b', 'a\tb', 'é', 'a'.repeat(256)]) {
      const spoilt = withHeaders(call(name), { 'idempotency-key': key })
      expect(await problemOf(requestOf(world.edgeUrl, spoilt)), key).toMatchObject({
        code: 'idempotency_key_invalid',
        errors: [{ in: 'header', pointer: '/Idempotency-Key' }],
      })
    }
  }
  for (const key of [undefined, '']) {
    const spoilt = withHeaders(call('createWalletTransaction'), { 'idempotency-key': key })
    expect(await problemOf(requestOf(world.edgeUrl, spoilt))).toMatchObject({
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
      const spoilt = withHeaders(call(name), { 'content-type': type })
      expect((await problemOf(requestOf(world.edgeUrl, spoilt))).code, type).toBe('unsupported_media_type')
    }
    const bytes = new TextEncoder().encode(call(name).body)
    const untyped = requestOf(world.edgeUrl, {
      ...withHeaders(call(name), { 'content-type': undefined }),
      body: undefined,
    })
    expect((await problemOf(new Request(untyped, { body: bytes }))).code).toBe('unsupported_media_type')
  }
})
