import { createHash } from 'node:crypto'
import type { Derive } from '#core/auth/password.ts'

/** A hash that costs nothing, counted, and held back while `gate` is not resolved. */
export type CountedDerive = { readonly derive: Derive; count: number; gate: Promise<void> }

/** In the place of argon2id where a test is about how often, when and before what a password is hashed. */
export const createCountedDerive = (): CountedDerive => {
  const counted: CountedDerive = {
    count: 0,
    gate: Promise.resolve(),
    derive: async ({ password, salt, work, hashBytes }) => {
      counted.count++
      await counted.gate
      const { memoryKib, passes, lanes } = work
      const text = [memoryKib, passes, lanes].join()
      return createHash('shake256', { outputLength: hashBytes }).update(text).update(salt).update(password).digest()
    },
  }
  return counted
}
