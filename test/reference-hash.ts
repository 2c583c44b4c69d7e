/** MurmurHash3 (x86, 32 bits) once more, in numbers without a bound and step by step as its author describes it. */

const word = 0xffff_ffffn

const rotated = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (32n - by))) & word

const multiplied = (a: bigint, b: bigint): bigint => (a * b) & word

export const referenceMurmur3 = (text: string, seed: number): number => {
  const bytes = [...Buffer.from(text, 'utf8')]
  let hash = BigInt(seed)
  for (let at = 0; at < bytes.length; at += 4) {
    const block = bytes.slice(at, at + 4)
    const little = block.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
    hash ^= multiplied(rotated(multiplied(little, 0xcc9e2d51n), 15n), 0x1b873593n)
    if (block.length === 4) hash = (rotated(hash, 13n) * 5n + 0xe6546b64n) & word
  }
  hash ^= BigInt(bytes.length)
  hash = multiplied(hash ^ (hash >> 16n), 0x85ebca6bn)
  hash = multiplied(hash ^ (hash >> 13n), 0xc2b2ae35n)
  return Number(hash ^ (hash >> 16n))
}

/** The place of a unit in what a salt shares out, 0 to 9,999. */
export const referenceBucket = (salt: string, unit: string): number =>
  Number((BigInt(referenceMurmur3(unit, referenceMurmur3(salt, 0))) * 10_000n) / 2n ** 32n)
