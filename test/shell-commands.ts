/** A command of a block of shell: its words, without assignments before it, redirections and what other commands give it. */
export type ShellCommand = readonly string[]

/** What another command gives: a word that stands for any. */
const given = 'GIVEN'

/**
 * The commands of a text, those within `$(…)` too: as much of a shell's grammar as documents use. Quotes and comments are taken
 * away; heredocs are not known.
 */
export const shellCommands = (text: string): ShellCommand[] => {
  const commands: string[][] = []
  readCommands(text.replaceAll('\\\n', ' '), 0, commands)
  return commands.filter((words) => words.length > 0)
}

/** Reads up to the end or a closing parenthesis, and answers with where that is. */
const readCommands = (text: string, from: number, commands: string[][]): number => {
  let words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  let skipsNext = false
  const endWord = () => {
    if (word === undefined) return
    const isAssignment = words.length === 0 && /^\w+=/.test(word)
    if (!isAssignment && !skipsNext) words.push(word)
    skipsNext = false
    word = undefined
  }
  const endCommand = () => {
    endWord()
    commands.push(words)
    words = []
  }
  let at = from
  for (; at < text.length; at++) {
    const char = text[at] ?? ''
    if (quote !== "'" && char === '$' && text[at + 1] === '(') {
      at = readCommands(text, at + 2, commands)
      word = (word ?? '') + given
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined
      else word = (word ?? '') + char
    } else if (char === "'" || char === '"') {
      quote = char
      word ??= ''
    } else if (char === ')') break
    else if (char === '#' && word === undefined) at += /[^\n]*/.exec(text.slice(at + 1))?.[0].length ?? 0
    else if (/[\n|;&]/.test(char)) endCommand()
    else if (/[<>]/.test(char)) {
      endWord()
      skipsNext = true
    } else if (/\s/.test(char)) endWord()
    else word = (word ?? '') + char
  }
  endCommand()
  return at
}
