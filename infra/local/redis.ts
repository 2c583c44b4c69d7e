import { mkdirSync } from 'node:fs'
import { findExecutable } from './executable.ts'
import { portAnswers } from './ports.ts'
import { type Child, startChild, untilReady } from './process.ts'

export type RedisOptions = {
  /** What `findRedis` found. */
  readonly binary: string
  readonly port: number
  /** Its working folder; nothing is kept in it. */
  readonly folder: string
  readonly logFile: string
}

export type LocalRedis = Child & { readonly url: string }

/** It listens some milliseconds after its start, since there is nothing to load. */
const readyMaxMs = 10_000

/** A Redis or Valkey server on PATH, as an absolute path; undefined where there is none. */
export const findRedis = (): string | undefined => findExecutable('redis-server', 'valkey-server')

/**
 * Starts the server on 127.0.0.1 without persistence: what Perigee keeps in Redis can be rebuilt.
 * @throws Error with the end of the log, when it does not start
 */
export const startRedis = async ({ binary, port, folder, logFile }: RedisOptions): Promise<LocalRedis> => {
  mkdirSync(folder, { recursive: true })
  const network = ['--bind', '127.0.0.1', '--port', String(port)]
  const noPersistence = ['--save', '', '--appendonly', 'no', '--dir', folder]
  const child = await startChild({ name: 'Redis', command: binary, args: [...network, ...noPersistence], logFile })
  await untilReady(child, readyMaxMs, () => portAnswers(port))
  return { ...child, url: `redis://127.0.0.1:${port}` }
}
