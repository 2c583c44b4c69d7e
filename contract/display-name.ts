import * as z from 'zod'

/** UTF-16 units of a name after normalisation; the column behind it counts characters, of which there are never more. */
const lengthMax = 32

const pictograph = String.raw`\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?`

/**
 * Emoji as Unicode joins them: pictographs with a skin tone or VS16, several of them with a joiner in between; flags; keycaps.
 * By their properties, not by a list: an emoji of next year is made the same way.
 * @see https://www.unicode.org/reports/tr51/#EBNF_and_Regex
 */
const emoji = new RegExp(String.raw`${pictograph}(?:\u200D${pictograph})*|\p{RI}{2}|[0-9#*]\uFE0F\u20E3`, 'gu')

/** What stands for an emoji while the rest is looked at: a symbol that can be seen. */
const anyEmoji = '\u263A'

/**
 * What cannot be seen and turns or parts what can: controls, format characters (bidi overrides, zero width), halves of a
 * surrogate pair, fillers, selectors, and what is no character. Joiners and VS16 are gone with their emoji by then.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\p{Noncharacter_Code_Point}]/u

/** White space of another kind than one space after the other. */
const oddSpace = / {2}|(?! )\s/u

/** Three marks on one base grow out of the line. */
const stacked = /\p{M}{3}/u

/** A letter, digit or symbol. Two symbols are empty by design: a Braille cell without dots, and a note without a head. */
const visible = /(?![\u2800\u{1D159}])[\p{L}\p{N}\p{S}]/u

const withoutEmoji = (text: string) => text.replace(emoji, anyEmoji)

/**
 * The name that a player gives themselves, in NFC: 1 to 32 characters (UTF-16 units), in a line, all of it to be seen. What is
 * parsed is the normalised form, and that is stored.
 */
export const displayNameSchema = z
  .string()
  .normalize('NFC')
  .min(1)
  .max(lengthMax)
  .refine((text) => !unseen.test(withoutEmoji(text)), 'control and format characters are not allowed')
  .refine((text) => text.trim() === text, 'no white space at the start or the end')
  .refine((text) => !oddSpace.test(text), 'no white space but single spaces')
  .refine((text) => !stacked.test(withoutEmoji(text)), 'no more than two combining marks on one character')
  .refine((text) => visible.test(withoutEmoji(text)), 'must hold a letter, a digit or a symbol')

/** A name as it is read: what was taken by the rules of its day stays. */
export const storedNameSchema = z.string().min(1).max(lengthMax)
