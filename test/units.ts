import { createRandom } from './guarantee.ts'

/** What units are called in practice, the same each time. */
export type Units = { readonly kind: string; readonly units: readonly string[] }

/** Of each kind, as many as shares are counted over. */
export const unitsMax = 100_000

const digits = '0123456789abcdefghjkmnpqrstvwxyz'

const textOf = (random: () => number, alphabet: string, length: number): string =>
  Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join('')

const made = (make: (at: number) => string): readonly string[] => Array.from({ length: unitsMax }, (_, at) => make(at))

/** Ids of players, which begin alike when they were made at the same time; UUIDs; and small numbers. */
export const kindsOfUnits = (): Units[] => {
  const random = createRandom(20_261_128)
  const hex = (length: number) => textOf(random, '0123456789abcdef', length)
  return [
    { kind: 'players', units: made(() => `ply_eu1_01jd${textOf(random, digits, 22)}`) },
    { kind: 'UUIDs', units: made(() => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`) },
    { kind: 'numbers', units: made(String) },
  ]
}
