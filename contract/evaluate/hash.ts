/** All of a split: shares are whole hundredths of a percent. */
export const basisPointsMax = 10_000

const encoder = new TextEncoder()

export const bytesOf = (text: string): Uint8Array => encoder.encode(text)

/**
 * MurmurHash3, 32 bits, of bytes, from 0 to 2^32 - 1. Fast, evenly spread, and there is one in every language.
 * @see https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (`MurmurHash3_x86_32`)
 */
export const murmur3 = (bytes: Uint8Array, seed: number): number => {
  const { length } = bytes
  const whole = length - (length % 4)
  let hash = seed
  for (let at = 0; at < whole; at += 4) {
    hash ^= scrambled(wordAt(bytes, at, 4))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  if (whole < length) hash ^= scrambled(wordAt(bytes, whole, length - whole))
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Little endian. */
const wordAt = (bytes: Uint8Array, at: number, count: number): number => {
  let word = 0
  for (let index = count - 1; index >= 0; index--) word = (word << 8) | (bytes[at + index] ?? 0)
  return word
}

const scrambled = (word: number): number => {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}

/** Where the hashes of a salt begin: two salts put the same units into unrelated places. */
export const seedOf = (salt: string): number => murmur3(bytesOf(salt), 0)

/** The place of a unit, 0 to 9,999: the same for the same salt and unit, everywhere and always. */
export const bucketOf = (seed: number, unit: Uint8Array): number =>
  // A product of 46 bits and a division by a power of two: exact in a double.
  Math.floor((murmur3(unit, seed) * basisPointsMax) / 0x1_0000_0000)
