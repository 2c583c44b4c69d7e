import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '#contract/ids.ts'
import type { Exchange } from '#edge/exchange.ts'
import { createLimits } from '#edge/limit.ts'
import { type ExtraEdge, startExtraEdge } from './extra-edge.ts'
import { cell, startWorld, type World } from './harness.ts'

let world: World
let edge: ExtraEdge
beforeAll(async () => {
  world = await startWorld()
  edge = await startExtraEdge(world, { cores: { [cell]: world.coreUrl }, limit: 1 })
})
afterAll(async () => {
  await edge?.stop()
  await world?.stop()
})

/** What a caller without a session is counted by, who calls from these addresses one after the other. */
const countedBy = async (addresses: readonly string[]): Promise<ReadonlySet<string>> => {
  const keys = new Set<string>()
  const limiter = {
    limit: async ({ key }: { readonly key: string }) => {
      keys.add(key)
      return { success: true }
    },
  }
  const limits = createLimits({ public: limiter, caller: limiter, server: limiter }, () => {})
  for (const address of addresses) {
    const exchange = exchangeOf({ kind: 'client', keyId: newId('key', cell, Date.now()) }, address)
    await limits.caller(exchange)
    await limits.address(exchange)
  }
  return keys
}

/** Of a request that alone which limits look at. */
const exchangeOf = (principal: Exchange['principal'], address = '192.0.2.1'): Exchange => {
  const part: Pick<Exchange, 'headers' | 'principal'> = {
    headers: new Map([['cf-connecting-ip', address]]),
    principal,
  }
  return part as Exchange
}

test('whoever has a whole network of IPv6 addresses is counted as one caller, and another network is another', async () => {
  const own = Array.from({ length: 100 }, (_, at) => `2001:db8:1:2:${at.toString(16)}::1`)
  expect([...(await countedBy(own))]).toEqual(['2001:db8:1:2::/64'])
  expect((await countedBy(['2001:db8:1:2::1', '2001:db8:1:3::1', '192.0.2.1', '192.0.2.2'])).size).toBe(4)
})

type LogLine = Readonly<Record<string, unknown>>

const edgeLines = (): LogLine[] =>
  world.logLines.map((line) => JSON.parse(line)).filter(({ service }: LogLine) => service === 'edge')

test('what an edge limit refuses is counted by its name, and has a line of its own only where its caller sent an id', async () => {
  const path = '/.well-known/jwks.json'
  const statuses = new Set<number>()
  // The first of each window of ten seconds is let in.
  for (let time = 0; time < 30; time++) statuses.add((await fetch(edge.url + path)).status)
  expect(statuses).toContain(429)
  const limited = () =>
    edgeLines()
      .filter(({ metric, name }) => metric === 'perigee.edge.limited' && name === 'public')
      .reduce((sum, { value }) => sum + Number(value), 0)
  await expect.poll(limited).toBeGreaterThan(0)

  const refused = () => edgeLines().filter(({ message, status }) => message === 'request' && status === 429)
  // Of two one is refused, and has its line after those that the others would have.
  const ids = ['limited-request-1', 'limited-request-2']
  for (const id of ids) await fetch(edge.url + path, { headers: { 'x-request-id': id } })
  const isTheirs = ({ requestId }: LogLine) => ids.includes(String(requestId))
  await expect.poll(() => refused().some(isTheirs)).toBe(true)
  expect(refused().filter((line) => !isTheirs(line) && !line.sampled)).toEqual([])
})
