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

/**
 * Sets the moment that is `amount` units after `from`. 1 where the key was there, else 0. A moment that has passed already
 * deletes the key.
 */
const expire = (
  keyspace: Keyspace,
  [key = '', amount, ...more]: readonly string[],
  { unitMs, from }: { readonly unitMs: number; readonly from: number },
): number => {
  if (more.length > 0) throw syntaxError()
  const expiresAt = from + parseInteger(amount) * unitMs
  const entry = keyspace.find(key)
  if (entry) entry.expiresAt = expiresAt
  return entry ? 1 : 0
}

type SetOptions = { expiresAt?: number; condition?: 'NX' | 'XX'; keepsTime?: true; answersOld?: true }

/** The options that exclude each other; of each group one may stand, once. */
const exclusive = [new Set(['NX', 'XX']), new Set(['EX', 'PX', 'EXAT', 'PXAT', 'KEEPTTL'])]

const parseSetOptions = (words: readonly string[], now: number): SetOptions => {
  const options = new Map<string, string | undefined>()
  const rest = words.map((word) => word.toUpperCase())
  for (let option = rest.shift(); option !== undefined; option = rest.shift()) {
    if (!setOptions.has(option)) throw syntaxError()
    if (exclusive.some((group) => group.has(option) && [...group].some((other) => options.has(other))))
      throw syntaxError()
    const takesValue = timeUnits.has(option)
    if (takesValue && rest.length === 0) throw syntaxError()
    options.set(option, takesValue ? rest.shift() : undefined)
  }
  const [time] = [...options].filter(([option]) => timeUnits.has(option))
  return {
    ...(options.has('NX') || options.has('XX') ? { condition: options.has('NX') ? 'NX' : 'XX' } : {}),
    ...(options.has('KEEPTTL') ? { keepsTime: true } : {}),
    ...(options.has('GET') ? { answersOld: true } : {}),
    ...(time ? { expiresAt: parseTime(time, now) } : {}),
  }
}

/** Milliseconds in one unit of an option's value, and whether it counts from now or from 1970. */
const timeUnits = new Map([
  ['EX', { unitMs: 1_000, relative: true }],
  ['PX', { unitMs: 1, relative: true }],
  ['EXAT', { unitMs: 1_000, relative: false }],
  ['PXAT', { unitMs: 1, relative: false }],
])
const setOptions = new Set([...timeUnits.keys(), 'NX', 'XX', 'KEEPTTL', 'GET'])

const parseTime = ([option, text]: readonly [string, string | undefined], now: number): number => {
  const value = parseInteger(text)
  if (value <= 0) throw new CommandError("ERR invalid expire time in 'set' command")
  const { unitMs, relative } = timeUnits.get(option) ?? { unitMs: 1, relative: false }
  return (relative ? now : 0) + value * unitMs
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
  EXPIRE: { argsMin: 2, run: (keyspace, args) => expire(keyspace, args, { unitMs: 1_000, from: keyspace.now() }) },
  PEXPIRE: { argsMin: 2, run: (keyspace, args) => expire(keyspace, args, { unitMs: 1, from: keyspace.now() }) },
  PEXPIREAT: { argsMin: 2, run: (keyspace, args) => expire(keyspace, args, { unitMs: 1, from: 0 }) },
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
