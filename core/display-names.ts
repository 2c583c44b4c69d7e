import { Fault } from '#contract/problem.ts'

/** Words at the most: each name is compared with each of them. */
export const forbiddenNamesMax = 1_000

/** Letters that digits are written for, and the letters that look like those. */
const lookAlikes: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  l: 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
}

/** Whether a deployment allows a name that has passed the contract's schema. */
export type DisplayNames = { readonly isAllowed: (name: string) => boolean }

/**
 * The names that a deployment allows: those that hold none of its words, however they are written. A word also counts inside of
 * another: once separators are folded nothing tells where a word begins, and `x_word_x` is how a list of whole words is passed.
 * So whoever makes the list leaves out what harmless names hold.
 *
 * @throws Error for a word of which nothing is left: it would forbid every name
 */
export const createDisplayNames = (forbidden: readonly string[]): DisplayNames => {
  const words = forbidden.map((word) => {
    const folded = folding(word)
    if (folded === '') throw new Error(`the forbidden name ${JSON.stringify(word)} has neither letter nor digit`)
    return folded
  })
  return {
    isAllowed: (name) => {
      const folded = folding(name)
      return !words.some((word) => folded.includes(word))
    },
  }
}

/** @throws Fault `display_name_not_allowed`, which does not say why: a hint would help to get around the list */
export const requireAllowed = (names: DisplayNames, name: string): void => {
  if (!names.isAllowed(name)) throw new Fault('display_name_not_allowed')
}

/**
 * A text as it is compared: compatible forms as one (NFKC), letters without case (up and down, so that ß is ss), nothing but
 * letters, marks and digits, and digits as the letters that they look like. NFKC comes again, for a letter may fall apart.
 */
const folding = (text: string): string =>
  text
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replace(/[^\p{L}\p{M}\p{N}]/gu, '')
    .replace(/[013457l]/g, (char) => lookAlikes[char] ?? char)
