import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createLimiter, type Limit, type Limiter } from '#core/limiter.ts'
import { createRedis, type RegionalRedis } from '#infra/redis.ts'
import { fulfils } from './fulfils.ts'

/** So many calls at once, at one time of the caller's clock. */
export type Burst = { readonly key: string; readonly limit: Limit; readonly nowMs: number; readonly calls: number }

export type BurstAnswer = {
  /** Of each call. */
  readonly waits: number[]
  /** Calls of this or another burst that Redis was too late for, meanwhile: those were counted without it. */
  readonly alone: number
}

/** A limiter, and how many calls Redis has been too late for: on a busy machine there are some. */
export const createTalliedLimiter = (redis: RegionalRedis): { readonly limiter: Limiter; alone(): number } => {
  let alone = 0
  const run: RegionalRedis['run'] = (...command) =>
    redis.run(...command).catch((error) => {
      alone++
      throw error
    })
  return { limiter: createLimiter({ ...redis, run }), alone: () => alone }
}

/** A limiter in a process of its own, as each instance of a cell has one. */
export type LimiterProcess = {
  take(burst: Burst): Promise<BurstAnswer>
  stop(): Promise<void>
}

type Asked = Burst & { readonly id: number }
type Answered = BurstAnswer & { readonly id: number }

export const startLimiterProcess = (redisUrl: string): LimiterProcess => {
  const child = fork(fileURLToPath(import.meta.url), [redisUrl])
  const waiting = new Map<number, (answer: BurstAnswer) => void>()
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  // Only `answer` below writes to this channel.
  child.on('message', (message) => {
    const { id, ...answered } = message as Answered
    waiting.get(id)?.(answered)
    waiting.delete(id)
  })
  let asked = 0
  return {
    take: (burst) =>
      new Promise((resolve) => {
        const message: Asked = { ...burst, id: asked++ }
        waiting.set(message.id, resolve)
        child.send(message)
      }),
    stop: async () => {
      child.disconnect()
      await exited
    },
  }
}

const answer = async (redisUrl: string) => {
  const redis = createRedis({ url: redisUrl, cluster: false, onError: () => {} })
  while (!(await fulfils(redis.ping()))) await new Promise((resolve) => setTimeout(resolve, 5))
  const { limiter, alone } = createTalliedLimiter(redis)
  process.on('message', async (message) => {
    const { id, key, limit, nowMs, calls } = message as Asked
    const before = alone()
    const waits = await Promise.all(Array.from({ length: calls }, () => limiter.take(key, limit, nowMs)))
    const answered: Answered = { id, waits, alone: alone() - before }
    process.send?.(answered)
  })
  process.on('disconnect', () => process.exit())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await answer(process.argv[2] ?? '')
