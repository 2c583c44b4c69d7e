import { comparableEmail } from '#contract/credentials.ts'
import { commonWords } from './common-passwords.ts'

/** Rows of keyboards and alphabets, and the zigzags that fingers make over two rows or three. */
const forward = [
  '01234567890',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'qwertzuiop',
  'azertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qazwsxedcrfvtgbyhnujmikolp',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
  '1q2w3e4r5t6y7u8i9o0p',
  'q1w2e3r4t5y6u7i8o9p0',
]
const lines = [...forward, ...forward.map((line) => [...line].reverse().join(''))]
/** A piece of a line that counts as one: two neighbours stand in many words. */
const pieceMin = 3
/** Characters beside the pieces, as in a123456789, that make no other password of it. */
const straysMax = 2

/** What stands for which letter in passwords that only look better. */
const disguises: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
}

/**
 * Why a password may not be chosen, in words for whoever chose it; undefined when it may. For new passwords only: who has one
 * signs in with it. Its length is the contract's matter, and what it is made of nobody's.
 *
 * Refused are the guesses that come first: a common word with digits and signs around it, sequences, repetitions, and the
 * address itself. That is no list of all that ever leaked: such a list is too large to carry, and to ask for it elsewhere would
 * tie signing up to somebody else's service.
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
 */
export const weaknessOf = (input: { readonly password: string; readonly email: string }): string | undefined => {
  const password = input.password.normalize('NFKC').toLowerCase()
  const email = comparableEmail(input.email)
  const word = wordOf(password)
  if (isRepetition(password)) return 'it only repeats itself'
  if (isOfSequences(password)) return 'it is a sequence of keys'
  if (commonWords.has(word)) return 'it is a common password'
  const local = email.slice(0, email.lastIndexOf('@'))
  const isAddress = password === email || password === local || (word !== '' && word === wordOf(local))
  return isAddress ? 'it is the email address' : undefined
}

/** Without the digits and signs around it, and without disguise. */
const wordOf = (text: string): string =>
  text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '').replace(/[013457@$!]/g, (sign) => disguises[sign] ?? sign)

/** Whether all that follows the first half, or less, is said again. */
const isRepetition = (text: string): boolean => {
  for (let period = 1; period <= text.length / 2; period++) if (text.startsWith(text.slice(period))) return true
  return false
}

/** Whether it consists of pieces of lines, but for a character or two. The longest piece is taken first. */
const isOfSequences = (text: string): boolean => {
  let strays = 0
  for (let at = 0; at < text.length; ) {
    const length = pieceAt(text, at)
    if (length < pieceMin) strays++
    at += length < pieceMin ? 1 : length
  }
  return strays <= straysMax
}

const pieceAt = (text: string, at: number): number => {
  let length = 0
  while (at + length < text.length && lines.some((line) => line.includes(text.slice(at, at + length + 1)))) length++
  return length
}
