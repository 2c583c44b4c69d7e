import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { graceMs } from '#core/auth/refresh-session.ts'
import { createRandom, sized, tell } from '#test/guarantee.ts'
import { startWorld, type World } from '#test/harness.ts'

/** Sessions that race at once, how many ask for the successor of one token at once, and how often each session goes on. */
const { sessions, atOnce, rounds } = sized({
  short: { sessions: 10, atOnce: 25, rounds: 4 },
  long: { sessions: 40, atOnce: 25, rounds: 10 },
})

let world: World
beforeAll(async () => {
  world = await startWorld({ bus: 'direct' })
})
afterAll(() => world?.stop())

/** At the core: an edge's clock is the machine's, and it would sign what a held clock finds too old. */
const post = async (path: string, body: unknown): Promise<{ status: number; answer: string }> => {
  const principal = { kind: 'client', keyId: 'key_test' } as const
  const response = await world.askCore({ method: 'POST', path, principal, body: JSON.stringify(body) })
  const { refreshToken, code } = JSON.parse(await response.text())
  return { status: response.status, answer: response.ok ? refreshToken : code }
}

const refresh = (refreshToken: string) => post('/v1/auth/refresh', { refreshToken })

test('of any number of refreshes of a token at once all get one successor, and reuse after the grace ends the family', {
  timeout: 300_000,
}, async () => {
  const random = createRandom()
  const startedAt = performance.now()
  const race = async () => {
    const chain = [(await post('/v1/auth/device', { deviceId: randomUUID() })).answer]
    for (let round = 0; round < rounds; round++) {
      const newest = chain.at(-1) ?? ''
      const before = chain.at(-2)
      // Among those who ask with the newest token are some whose answer got lost, and who ask with the one before.
      const asked = Array.from({ length: atOnce }, () => (before && random() < 0.2 ? before : newest))
      const answers = await Promise.all(asked.map(async (token) => ({ token, ...(await refresh(token)) })))
      const successors = new Set(answers.filter(({ token }) => token === newest).map(({ answer }) => answer))
      expect([successors.size, new Set(answers.map(({ status }) => status))]).toEqual([1, new Set([200])])
      for (const { token, answer } of answers) if (token === before) expect(answer).toBe(newest)
      chain.push([...successors][0] ?? '')
    }
    return chain
  }
  const chains = await Promise.all(Array.from({ length: sessions }, race))

  world.clock.advance(graceMs)
  const ends = await Promise.all(
    chains.map(async (chain) => {
      const thief = await refresh(chain[0] ?? '')
      return [thief, ...(await Promise.all(chain.map(refresh)))].map(({ answer }) => answer)
    }),
  )
  for (const [thief, ...family] of ends) {
    expect(thief).toBe('refresh_token_reused')
    expect(new Set(family)).toEqual(new Set(['refresh_token_invalid']))
  }
  const milliseconds = Math.round(performance.now() - startedAt)
  tell('refresh-race', {
    refreshes: sessions * atOnce * rounds,
    tokens: sessions * rounds,
    families: sessions,
    milliseconds,
  })
})
