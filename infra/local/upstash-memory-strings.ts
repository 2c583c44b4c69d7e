import { type Keyspace, type MemoryCommands, parseInteger, syntaxError } from './upstash-memory-keyspace.ts'
import { CommandError, type Reply } from './upstash-store.ts'

/** What a first argument is where the command was found to have one. */
const first = (args: readonly string[]): string => args[0] ?? ''

const incrementBy = (keyspace: Keyspace, key: string, amount: number): number => {
  const sum = parseInteger(keyspace.text(key) ?? '0') + amount
  if (!Number.isSafeInteger(sum)) throw new CommandError('ERR increment or decrement would overflow')
  keyspace.set(key, String(sum), keyspace.find(key)?.expiresAt)
  return sum
}

/** Milliseconds that are left; -1 for a key that stays, -2 for one that is not there: Redis's own convention. */
const remainingMs = (keyspace: Keyspace, key: string): number => {
  const entry = keyspace.find(key)
  if (!entry) return -2
  return entry.expiresAt === undefined ? -1 : entry.expiresAt - keyspace.now()
}

/** 1 where the key was there, else 0. A time that has passed already deletes the key. */
const expire = (keyspace: Keyspace, [key = '', amount, ...more]: readonly string[], unitMs: number): number => {
  if (more.length > 0) throw syntaxError()
  const expiresAt = keyspace.now() + parseInteger(amount) * unitMs
  const entry = keyspace.find(key)
  if (entry) entry.expiresAt = expiresAt
  return entry ? 1 : 0
}

type SetOptions = { expiresAt?: number; condition?: 'NX' | 'XX'; keepsTime?: true; answersOld?: true }

const parseSetOptions = (options: readonly string[], now: number): SetOptions => {
  const parsed: SetOptions = {}
  const rest = [...options]
  const time = () => {
    const value = parseInteger(rest.shift())
    if (value <= 0) throw new CommandError("ERR invalid expire time in 'set' command")
    return value
  }
  while (rest.length > 0) {
    const option = rest.shift()?.toUpperCase()
    if (option === 'NX' || option === 'XX') parsed.condition = option
    else if (option === 'EX') parsed.expiresAt = now + time() * 1_000
    else if (option === 'PX') parsed.expiresAt = now + time()
    else if (option === 'EXAT') parsed.expiresAt = time() * 1_000
    else if (option === 'PXAT') parsed.expiresAt = time()
    else if (option === 'KEEPTTL') parsed.keepsTime = true
    else if (option === 'GET') parsed.answersOld = true
    else throw syntaxError()
  }
  return parsed
}

const set = (keyspace: Keyspace, [key = '', value = '', ...options]: readonly string[]): Reply => {
  const { condition, expiresAt, keepsTime, answersOld } = parseSetOptions(options, keyspace.now())
  const found = keyspace.find(key)
  const old = answersOld ? (keyspace.text(key) ?? null) : null
  if ((condition === 'NX' && found) || (condition === 'XX' && !found)) return old
  keyspace.set(key, value, keepsTime ? found?.expiresAt : expiresAt)
  return answersOld ? old : 'OK'
}

/** Commands over text values, over keys whatever they hold, and over the whole store. */
export const stringCommands: MemoryCommands = {
  PING: { argsMin: 0, run: (_, [text]) => text ?? 'PONG' },
  DBSIZE: { argsMin: 0, run: (keyspace) => keyspace.size() },
  FLUSHDB: { argsMin: 0, run: (keyspace) => flush(keyspace) },
  FLUSHALL: { argsMin: 0, run: (keyspace) => flush(keyspace) },
  GET: { argsMin: 1, run: (keyspace, args) => keyspace.text(first(args)) ?? null },
  SET: { argsMin: 2, run: set },
  MGET: { argsMin: 1, run: (keyspace, keys) => keys.map((key) => textOrNull(keyspace, key)) },
  DEL: { argsMin: 1, run: (keyspace, keys) => keys.filter((key) => keyspace.delete(key)).length },
  EXISTS: { argsMin: 1, run: (keyspace, keys) => keys.filter((key) => keyspace.find(key)).length },
  INCR: { argsMin: 1, run: (keyspace, args) => incrementBy(keyspace, first(args), 1) },
  INCRBY: { argsMin: 2, run: (keyspace, args) => incrementBy(keyspace, first(args), parseInteger(args[1])) },
  EXPIRE: { argsMin: 2, run: (keyspace, args) => expire(keyspace, args, 1_000) },
  PEXPIRE: { argsMin: 2, run: (keyspace, args) => expire(keyspace, args, 1) },
  PTTL: { argsMin: 1, run: (keyspace, args) => remainingMs(keyspace, first(args)) },
  TTL: {
    argsMin: 1,
    run: (keyspace, args) => {
      const ms = remainingMs(keyspace, first(args))
      return ms < 0 ? ms : Math.round(ms / 1_000)
    },
  },
}

const flush = (keyspace: Keyspace): Reply => {
  keyspace.clear()
  return 'OK'
}

/** MGET answers null, not an error, for a key that holds something else than text. */
const textOrNull = (keyspace: Keyspace, key: string): string | null => {
  const value = keyspace.find(key)?.value
  return typeof value === 'string' ? value : null
}
