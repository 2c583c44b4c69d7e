/** What a hash costs whoever computes it. */
export type Work = {
  readonly memoryKib: number
  readonly passes: number
  /** Argon2's parallelism. */
  readonly lanes: number
}

/** The parts of a stored password. */
export type PasswordHash = { readonly work: Work; readonly salt: Uint8Array; readonly hash: Uint8Array }

/** Hashes that came from another system may have taken more work than ours; what asks for more than this was tampered with. */
const memoryKibMax = 131_072
const passesMax = 10
const lanesMax = 4

const pattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** A hash as text that carries its own parameters. @see https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md */
export const encodePasswordHash = ({ work, salt, hash }: PasswordHash): string =>
  `$argon2id$v=19$m=${work.memoryKib},t=${work.passes},p=${work.lanes}$${base64(salt)}$${base64(hash)}`

/**
 * The inverse of `encodePasswordHash`, for any parameters within 128 MiB, 10 passes and 4 lanes, salts of 8 to 64 bytes and
 * hashes of 16 to 64. @throws Error for any other text, which it does not repeat
 */
export const parsePasswordHash = (text: string): PasswordHash => {
  const [, memory, passes, lanes, salt, hash] = pattern.exec(text) ?? []
  if (salt === undefined || hash === undefined) throw new Error('what is stored is no hash of argon2id')
  const work = { memoryKib: Number(memory), passes: Number(passes), lanes: Number(lanes) }
  if (!isWithinBounds(work)) throw new Error('a stored hash asks for more work than any of ours, or for none')
  return { work, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}

/** Argon2 itself asks for 8 KiB a lane. */
const isWithinBounds = ({ memoryKib, passes, lanes }: Work): boolean =>
  lanes >= 1 &&
  lanes <= lanesMax &&
  passes >= 1 &&
  passes <= passesMax &&
  memoryKib >= 8 * lanes &&
  memoryKib <= memoryKibMax

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
