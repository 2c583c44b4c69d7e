import type { Command } from './upstash-store.ts'

/**
 * The command with the time of a key as a moment, as Redis hands it to its own replicas: one that hears of a write later must
 * not keep the key for longer. `at` is when the primary took it, in milliseconds since 1970. Of the commands that set a time,
 * SET, EXPIRE and PEXPIRE are the ones that Perigee sends; the others stay as they are.
 */
export const withFixedTime = (command: Command, at: number): Command => {
  const [name, key = '', ...rest] = command
  const upper = name.toUpperCase()
  if (upper === 'SET') return [name, key, ...rest.slice(0, 1), ...fixOptions(rest.slice(1), at)]
  const unitMs = upper === 'EXPIRE' ? 1_000 : 1
  if (upper !== 'EXPIRE' && upper !== 'PEXPIRE') return command
  return ['PEXPIREAT', key, String(at + Number(rest[0]) * unitMs), ...rest.slice(1)]
}

const fixOptions = (options: readonly string[], at: number): string[] => {
  const found = options.findIndex((option) => /^[EP]X$/i.test(option))
  if (found < 0) return [...options]
  const unitMs = options[found]?.toUpperCase() === 'EX' ? 1_000 : 1
  return options.toSpliced(found, 2, 'PXAT', String(at + Number(options[found + 1]) * unitMs))
}
