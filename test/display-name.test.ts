import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CallError } from '#contract/client.ts'
import { displayNameSchema } from '#contract/display-name.ts'
import { createDisplayNames, forbiddenNamesMax } from '#core/display-names.ts'
import { type SignedIn, startWorld, type World } from './harness.ts'
import { forbiddenName } from './world-cell.ts'

const taken = [
  'Ada',
  'x',
  'Ada Lovelace',
  'O’Brien-Smith (2nd)',
  'Åsa Ýrsdóttir',
  'Иван',
  '山田太郎',
  'محمد',
  'नीलकंठ',
  'น้ำผึ้ง',
  'Nguyễn Thị',
  '$$$',
  '007',
  '♛ Queen',
  '😀',
  '❤️ Ada',
  '👩‍🚀',
  '🏳️‍🌈 Ada',
  '👍🏽',
  '🇩🇪',
  '1️⃣',
  '👩🏽‍❤️‍💋‍👨🏻',
  'a\u0323\u0301',
  'a'.repeat(32),
] as const
test.each(taken)('%s is a name', (name) => {
  expect(displayNameSchema.parse(name)).toBe(name.normalize('NFC'))
})

const refused = {
  nothing: '',
  'a space': ' ',
  '33 characters': 'a'.repeat(33),
  'a space at its start': ' Ada',
  'a space at its end': 'Ada ',
  'two spaces in a row': 'Ada  Lovelace',
  'a no-break space': 'Ada\u00A0Lovelace',
  'an ideographic space': '山田\u3000太郎',
  'a tab': 'Ada\tLovelace',
  'a line separator': 'Ada\u2028Lovelace',
  'a control character': 'Ada\u0007',
  'half of a surrogate pair': 'Ada\uD83D',
  'a bidi override': '\u202EadA',
  'a bidi isolate': 'Ada\u2066',
  'a right-to-left mark': 'Ada\u200F',
  'a zero-width space': 'A\u200Bda',
  'a zero-width non-joiner': 'A\u200Cda',
  'a zero-width joiner between letters': 'A\u200Dda',
  'a joiner behind an emoji': '😀\u200D',
  'two joiners between emoji': '👩\u200D\u200D🚀',
  'a soft hyphen': 'A\u00ADda',
  'a byte order mark': '\uFEFFAda',
  'VS16 behind a letter': 'A\uFE0Fda',
  'VS16 twice': '❤\uFE0F\uFE0F',
  'a text selector': '❤\uFE0E',
  'tag characters': 'Ada\u{E0041}',
  'a Hangul filler': '\u3164',
  'a combining grapheme joiner': 'A\u034Fda',
  'a noncharacter': 'Ada\uFFFE',
  'three marks on one letter': 'Z\u0334\u0335\u0336',
  'three marks on an emoji': '😀\u0334\u0335\u0336',
  'punctuation alone': '...',
  'marks alone': '\u0301\u0301',
  'an empty Braille cell alone': '\u2800',
  'an empty note alone': '\u{1D159}',
}
test.each(Object.entries(refused))('a name with, or of, %s is refused', (_, name) => {
  expect(displayNameSchema.safeParse(name).success).toBe(false)
})

test('a name is stored as NFC has it, and its length is that', () => {
  const decomposed = 'e\u0301'.repeat(32)
  expect(displayNameSchema.parse(decomposed)).toBe('é'.repeat(32))
  // Three characters in NFC, though it is one as it is sent.
  expect(displayNameSchema.safeParse('\uFB2C'.repeat(11)).success).toBe(false)
})

describe('a deployment’s own words', () => {
  const { isAllowed } = createDisplayNames(['Slimeball', 'titan', 'straße', '悪い'])
  const forbidden = [
    'slimeball',
    'SLIMEBALL',
    'S.l-i m_e*ball',
    'Xx_slimeball_xX',
    'slimeballs',
    '5l1m3b4ll',
    'sIimebaII',
    'ｓｌｉｍｅｂａｌｌ',
    '𝐬𝐥𝐢𝐦𝐞𝐛𝐚𝐥𝐥',
    'ⓣⓘⓣⓐⓝ',
    '7i7an',
    'Titanic',
    'STRASSE',
    '悪 い 人',
    'sli😀meball',
  ]
  test.each(forbidden)('are found in %s', (name) => expect(isAllowed(name)).toBe(false))

  test.each(['slime bal', 'Titus', 'Ada', '悪', '😀', '...'])('are not found in %s', (name) =>
    expect(isAllowed(name)).toBe(true),
  )

  test('forbid nothing where there are none', () => expect(createDisplayNames([]).isAllowed('slimeball')).toBe(true))

  test('of which nothing is left when they are folded are no words', () => {
    for (const word of ['', ' ', '-', '😀']) expect(() => createDisplayNames(['good', word])).toThrow(/neither letter/)
  })

  test('cost a name little, however many they are', () => {
    const many = createDisplayNames(Array.from({ length: forbiddenNamesMax }, (_, at) => `word number ${at + 10_000}`))
    const startedAt = performance.now()
    for (let at = 0; at < 100; at++) many.isAllowed('a'.repeat(32))
    const perNameMs = (performance.now() - startedAt) / 100
    console.log(`display names: ${Math.round(perNameMs * 1_000)} us against ${forbiddenNamesMax} words`)
    expect(perNameMs).toBeLessThan(5)
  })
})

describe('through the edge', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld()
  })
  afterAll(() => world?.stop())

  const failureOf = async (call: Promise<unknown>): Promise<CallError> => {
    const error = await call.catch((reason: unknown) => reason)
    return error instanceof CallError ? error : expect.fail(`should have been refused: ${JSON.stringify(error)}`)
  }
  const rename = ({ client }: SignedIn, displayName: string, key: string = randomUUID()) =>
    client.updateOwnProfile({ body: { displayName } }, { headers: { 'idempotency-key': key } })
  const storedOf = async ({ playerId }: SignedIn) =>
    (await world.sql`select display_name, version from players where player_id = ${playerId}`)[0]

  test('what is stored and shown is the normalised form, at a sign-in and at a change', async () => {
    const deviceId = randomUUID()
    const { body } = await world.client().signInWithDevice({ body: { deviceId, displayName: 'Rene\u0301' } })
    expect(body.player.displayName).toBe('René')
    const player = await world.signIn(deviceId)
    expect((await rename(player, 'Zoe\u0308')).body.displayName).toBe('Zoë')
    expect((await storedOf(player))?.display_name).toBe('Zoë')
  })

  test('a forbidden word changes nothing, moves no tag, and no hint says which it was', async () => {
    const player = await world.signIn()
    const before = await storedOf(player)
    const { status, code, problem } = await failureOf(rename(player, `xX_${forbiddenName.toUpperCase()}_Xx`))
    expect([status, code]).toEqual([422, 'display_name_not_allowed'])
    expect(JSON.stringify(problem).toLowerCase()).not.toContain(forbiddenName.toLowerCase())
    expect(Object.keys(problem ?? {}).sort()).toEqual(['code', 'requestId', 'status', 'title', 'type'])
    expect(await storedOf(player)).toEqual(before)
    const events = await world.sql`select type from outbox where aggregate = ${`player:${player.playerId}`}`
    expect(events.map(({ type }) => type)).toEqual(['perigee.player.created.v1'])
    expect((await player.client.updateOwnProfile({ body: { country: 'DE' } })).body.country).toBe('DE')
  })

  test('a name that was taken is answered again under its key, though the deployment has forbidden it since', async () => {
    const player = await world.signIn()
    const key = randomUUID()
    const { body } = await rename(player, 'Ada', key)
    // As if the word had been allowed then: the answer stands under a request that is refused now.
    const now = randomUUID()
    const refusal = await failureOf(rename(player, forbiddenName, now))
    expect(refusal.code).toBe('display_name_not_allowed')
    await world.sql`update idempotency_claims set status = 200, content_type = 'application/json',
      body = ${JSON.stringify(body)} where principal = ${`player:${player.playerId}`} and key = ${now}`
    expect((await rename(player, forbiddenName, now)).body).toEqual(body)
  })

  test('a sign-in makes no player of a forbidden name, and does not mind it for one who is there', async () => {
    const deviceId = randomUUID()
    const body = { deviceId, displayName: forbiddenName }
    expect((await failureOf(world.client().signInWithDevice({ body }))).code).toBe('display_name_not_allowed')
    expect((await failureOf(world.client().signInWithDevice({ body: { deviceId, create: false } }))).code).toBe(
      'not_found',
    )
    const { playerId } = await world.signIn(deviceId)
    const again = await world.client().signInWithDevice({ body })
    expect([again.body.player.id, again.body.created]).toEqual([playerId, false])
  })

  test('a name that the rules of its day took is still read, and its player goes on', async () => {
    const player = await world.signIn()
    await world.sql`update players set display_name = ${'Ada  \u202E'} where player_id = ${player.playerId}`
    expect((await player.client.getOwnProfile()).body.displayName).toBe('Ada  \u202E')
    const { body } = await player.client.getProfile({ params: { playerId: player.playerId } })
    expect(body.displayName).toBe('Ada  \u202E')
    expect((await player.client.updateOwnProfile({ body: { country: 'DE' } })).body.displayName).toBe('Ada  \u202E')
  })
})
