import { startUpstash } from './upstash.ts'
import { createMemoryStore } from './upstash-memory-store.ts'
import { createRedisStore } from './upstash-redis-store.ts'

/**
 * The stand-in as a process of its own, so that it can be killed: `node infra/local/upstash-main.ts`.
 * Environment: PORT, UPSTASH_TOKEN, UPSTASH_READ_ONLY_TOKEN, and REDIS_URL, without which it keeps everything in
 * memory.
 */
const required = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

const redisUrl = process.env.REDIS_URL
const upstash = await startUpstash({
  port: Number(required('PORT')),
  token: required('UPSTASH_TOKEN'),
  readOnlyToken: required('UPSTASH_READ_ONLY_TOKEN'),
  store: redisUrl ? createRedisStore(redisUrl) : createMemoryStore(),
})
console.log(`Upstash stand-in on ${upstash.url}, over ${redisUrl ? 'Redis' : 'memory'}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void upstash.close())
