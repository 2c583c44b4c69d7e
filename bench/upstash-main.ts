import { createServer } from 'node:http'
import { startUpstash } from '#infra/local/upstash.ts'
import { createMemoryStore } from '#infra/local/upstash-memory-store.ts'
import { createRedisStore } from '#infra/local/upstash-redis-store.ts'

/**
 * Upstash's stand-in as a process of its own, which tells what it was asked: `node bench/upstash-main.ts`. Environment: PORT,
 * COUNTS_PORT, TOKEN, and REDIS_URL, without which it keeps everything in memory.
 */
const { PORT, COUNTS_PORT, TOKEN = '', REDIS_URL } = process.env
const upstash = await startUpstash({
  port: Number(PORT),
  token: TOKEN,
  readOnlyToken: 'unused',
  store: REDIS_URL ? createRedisStore(REDIS_URL) : createMemoryStore(),
})
const counts = createServer((_, response) =>
  response.end(JSON.stringify({ requests: upstash.requests(), commands: upstash.commands() })),
)
counts.listen(Number(COUNTS_PORT), '127.0.0.1')
