import { CommandError, type Reply } from './upstash-store.ts'

/** Members and their scores; a class, so that it differs from a hash. */
export class SortedSet {
  readonly scores = new Map<string, number>()
}

type Entry = { value: string | Map<string, string> | SortedSet; expiresAt: number | undefined }

/** Keys with their values. A key whose time has come is gone at the next look at it, and is not looked for before. */
export class Keyspace {
  readonly #entries = new Map<string, Entry>()
  readonly now: () => number

  /** `now` is milliseconds since 1970. */
  constructor(now: () => number) {
    this.now = now
  }

  find(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry?.expiresAt === undefined || entry.expiresAt > this.now()) return entry
    this.#entries.delete(key)
    return undefined
  }

  set(key: string, value: Entry['value'], expiresAt?: number): void {
    this.#entries.set(key, { value, expiresAt })
  }

  /** Whether the key was there. */
  delete(key: string): boolean {
    return this.find(key) !== undefined && this.#entries.delete(key)
  }

  size(): number {
    return [...this.#entries.keys()].filter((key) => this.find(key)).length
  }

  clear(): void {
    this.#entries.clear()
  }

  text(key: string): string | undefined {
    const value = this.find(key)?.value
    if (value === undefined || typeof value === 'string') return value
    throw wrongType()
  }

  hash(key: string): Map<string, string> | undefined {
    const value = this.find(key)?.value
    if (value === undefined || value instanceof Map) return value
    throw wrongType()
  }

  sortedSet(key: string): SortedSet | undefined {
    const value = this.find(key)?.value
    if (value === undefined || value instanceof SortedSet) return value
    throw wrongType()
  }
}

/** One command of the memory store: the fewest arguments that it takes (its name not counted), and what it does. */
export type MemoryCommand = {
  readonly argsMin: number
  readonly run: (keyspace: Keyspace, args: readonly string[]) => Reply
}

export type MemoryCommands = Readonly<Record<string, MemoryCommand>>

const wrongType = () => new CommandError('WRONGTYPE Operation against a key holding the wrong kind of value')

export const syntaxError = () => new CommandError('ERR syntax error')

/** @throws CommandError for what is not an integer that a double holds exactly */
export const parseInteger = (text: string | undefined): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || !/^-?\d+$/.test(text ?? ''))
    throw new CommandError('ERR value is not an integer or out of range')
  return value
}
