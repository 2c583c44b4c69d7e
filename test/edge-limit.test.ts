import { expect, test } from 'vitest'
import type { Exchange } from '#edge/exchange.ts'
import { createLimits } from '#edge/limit.ts'

/** What a caller without a session is counted by, who calls from these addresses one after the other. */
const countedBy = async (addresses: readonly string[]): Promise<ReadonlySet<string>> => {
  const keys = new Set<string>()
  const limiter = {
    limit: async ({ key }: { readonly key: string }) => {
      keys.add(key)
      return { success: true }
    },
  }
  const limits = createLimits({ public: limiter, caller: limiter, server: limiter })
  for (const address of addresses) {
    const headers = new Map([['cf-connecting-ip', address]])
    const exchange = { headers, principal: { kind: 'client', keyId: 'key_test' } } as unknown as Exchange
    await limits.caller(exchange)
    await limits.address(exchange)
  }
  return keys
}

test('whoever has a whole network of IPv6 addresses is counted as one caller, and another network is another', async () => {
  const own = Array.from({ length: 100 }, (_, at) => `2001:db8:1:2:${at.toString(16)}::1`)
  expect([...(await countedBy(own))]).toEqual(['2001:db8:1:2::/64'])
  expect((await countedBy(['2001:db8:1:2::1', '2001:db8:1:3::1', '192.0.2.1', '192.0.2.2'])).size).toBe(4)
})
