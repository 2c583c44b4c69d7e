import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { createTurns } from '#core/turns.ts'
import { encodePasswordHash, type PasswordHash, parsePasswordHash, type Work } from './password-hash.ts'

/** Passwords, hashed by argon2id. */
export type Passwords = {
  /** What to store of a password, with a salt of its own: another text each time. */
  hash(password: string): Promise<string>
  /**
   * Whether a stored hash is that of the password. Undefined, for an account that there is not, takes the same work and is
   * false, so that the time tells nobody whether an address has an account.
   *
   * @throws Error when what is stored is no hash of argon2id
   */
  verify(stored: string | undefined, password: string): Promise<boolean>
}

/** Argon2id off the event loop. A port, so that tests can count and hold it. */
export type Derive = (input: {
  readonly password: Uint8Array
  readonly salt: Uint8Array
  readonly work: Work
  readonly hashBytes: number
}) => Promise<Uint8Array>

/** What OWASP recommends for argon2id: 19 MiB, two passes, one lane; 50 ms of one core. */
export const passwordWork: Work = { memoryKib: 19_456, passes: 2, lanes: 1 }
const saltBytes = 16
const hashBytes = 32
/**
 * Each takes 19 MiB and one of the four threads that name look-ups and the signing of tokens need too: two leave them two.
 */
const runningMax = 2
/** At 25 ms apiece (two at a time, 50 ms each) the last one waits 0.8 s, and on one slow core still less than a write may take. */
const waitingMax = 32
/** By then a full line has been worked off. */
const retryAfterMs = 1_000

const run = promisify(argon2)

/** Node's own argon2id, on a thread of libuv's pool. @see https://www.rfc-editor.org/rfc/rfc9106.html */
export const argon2id: Derive = ({ password, salt, work, hashBytes: tagLength }) =>
  run('argon2id', {
    message: password,
    nonce: salt,
    memory: work.memoryKib,
    passes: work.passes,
    parallelism: work.lanes,
    tagLength,
  })

/**
 * At most two hashes are computed at once and 32 wait, in their order; then Fault `unavailable`.
 * Passwords are normalised (NFKC), so that one that was typed on another keyboard is still the same.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
 */
export const createPasswords = (derive: Derive): Passwords => {
  const inTurn = createTurns({ runningMax, waitingMax, retryAfterMs, what: 'passwords' })
  /** Nobody's: random bytes that no password is known to give. */
  const nobodys: PasswordHash = { work: passwordWork, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) }

  const compute = (password: string, { work, salt, hash }: PasswordHash) =>
    inTurn(() => derive({ password: Buffer.from(password.normalize('NFKC')), salt, work, hashBytes: hash.length }))

  return {
    hash: async (password) => {
      const blank = { work: passwordWork, salt: randomBytes(saltBytes), hash: new Uint8Array(hashBytes) }
      return encodePasswordHash({ ...blank, hash: await compute(password, blank) })
    },
    verify: async (stored, password) => {
      const expected = stored === undefined ? nobodys : parsePasswordHash(stored)
      const same = timingSafeEqual(await compute(password, expected), expected.hash)
      return same && stored !== undefined
    },
  }
}

/** Whether a stored hash took less work than one does today: whoever has just verified the password stores it anew. */
export const needsRehash = (stored: string): boolean => {
  const { work } = parsePasswordHash(stored)
  return work.memoryKib < passwordWork.memoryKib || work.passes < passwordWork.passes
}
