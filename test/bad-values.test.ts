import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { contentsOf } from './contents.ts'
import { startWorld } from './harness.ts'
import { expectInvalid } from './refusals.ts'
import type { Cast } from './valid-call.ts'

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
  refused('createWalletTransaction', grant({ amount }), '/changes/0/amount'),
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
  refused('createWalletTransaction', body, pointer),
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
  (member, _, value) => refused('updateOwnProfile', `{"${member}":${value}}`, `/${member}`),
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
  refused('signInWithDevice', `{"deviceId":${deviceId}}`, '/deviceId'),
)
