import { type Keyspace, type MemoryCommands, parseInteger, SortedSet, syntaxError } from './upstash-memory-keyspace.ts'
import { CommandError, type Reply } from './upstash-store.ts'

const parseScore = (text: string): number => {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  const score = Number(text)
  if (text.trim() === '' || Number.isNaN(score)) throw new CommandError('ERR value is not a valid float')
  return score
}

const formatScore = (score: number): string => (Number.isFinite(score) ? String(score) : score > 0 ? 'inf' : '-inf')

const zaddOptions = new Set(['GT', 'LT', 'NX', 'XX', 'CH'])

/** Whether a member that has `old` (undefined: is not there) takes `score`, under these options. */
const takes = (options: ReadonlySet<string>, old: number | undefined, score: number): boolean => {
  if (old === undefined) return !options.has('XX')
  if (options.has('NX')) return false
  if (options.has('GT')) return score > old
  if (options.has('LT')) return score < old
  return score !== old
}

const zadd = (keyspace: Keyspace, [key = '', ...rest]: readonly string[]): Reply => {
  const start = rest.findIndex((word) => !zaddOptions.has(word.toUpperCase()))
  const options = new Set(rest.slice(0, Math.max(start, 0)).map((word) => word.toUpperCase()))
  const pairs = start < 0 ? [] : rest.slice(start)
  if (pairs.length === 0 || pairs.length % 2 > 0) throw syntaxError()
  if (options.has('NX') && options.has('XX'))
    throw new CommandError('ERR XX and NX options at the same time are not compatible')
  if (['GT', 'LT', 'NX'].filter((option) => options.has(option)).length > 1)
    throw new CommandError('ERR GT, LT, and/or NX options at the same time are not compatible')
  const entries = pairs.flatMap((word, index) =>
    index % 2 === 0 ? [{ score: parseScore(word), member: pairs[index + 1] ?? '' }] : [],
  )
  const found = keyspace.sortedSet(key)
  const set = found ?? new SortedSet()
  let added = 0
  let changed = 0
  for (const { score, member } of entries) {
    const old = set.scores.get(member)
    if (!takes(options, old, score)) continue
    if (old === undefined) added++
    else changed++
    set.scores.set(member, score)
  }
  if (!found && set.scores.size > 0) keyspace.set(key, set)
  return options.has('CH') ? added + changed : added
}

const zscore = (keyspace: Keyspace, [key = '', member = '']: readonly string[]): Reply => {
  const score = keyspace.sortedSet(key)?.scores.get(member)
  return score === undefined ? null : formatScore(score)
}

/** By rank only. Redis orders equal scores by bytes; for the members that we use that is the order of code units. */
const zrange = (keyspace: Keyspace, [key = '', start, stop, ...words]: readonly string[]): Reply => {
  const options = new Set(words.map((word) => word.toUpperCase()))
  if ([...options].some((option) => option !== 'REV' && option !== 'WITHSCORES')) throw syntaxError()
  const [first, last] = [parseInteger(start), parseInteger(stop)]
  const sorted = [...(keyspace.sortedSet(key)?.scores ?? [])].sort(
    ([a, scoreOfA], [b, scoreOfB]) => scoreOfA - scoreOfB || (a < b ? -1 : 1),
  )
  if (options.has('REV')) sorted.reverse()
  const rank = (value: number) => (value < 0 ? Math.max(sorted.length + value, -1) : value)
  const range = sorted.slice(Math.max(rank(first), 0), rank(last) + 1)
  return range.flatMap(([member, score]) => (options.has('WITHSCORES') ? [member, formatScore(score)] : [member]))
}

const hset = (keyspace: Keyspace, [key = '', ...pairs]: readonly string[]): Reply => {
  if (pairs.length % 2 > 0) throw new CommandError("ERR wrong number of arguments for 'hset' command")
  const found = keyspace.hash(key)
  const hash = found ?? new Map<string, string>()
  const before = hash.size
  for (let index = 0; index < pairs.length; index += 2) hash.set(pairs[index] ?? '', pairs[index + 1] ?? '')
  if (!found) keyspace.set(key, hash)
  return hash.size - before
}

/** Commands over sorted sets and hashes. */
export const collectionCommands: MemoryCommands = {
  ZADD: { argsMin: 3, run: zadd },
  ZSCORE: { argsMin: 2, run: zscore },
  ZRANGE: { argsMin: 3, run: zrange },
  HSET: { argsMin: 3, run: hset },
  HGET: { argsMin: 2, run: (keyspace, [key = '', field = '']) => keyspace.hash(key)?.get(field) ?? null },
  HGETALL: { argsMin: 1, run: (keyspace, [key = '']) => [...(keyspace.hash(key) ?? [])].flat() },
}
