import type { AttributeType, Facts } from './attribute.ts'
import { type Comparison, type Condition, type Operator, operatorOf, parseOperand, type Scope } from './condition.ts'
import { compareVersions, type Version } from './version.ts'

/**
 * Conditions as numbers in one piece of memory. Trees of functions took seven times as long for a thousand flags of twenty
 * rules: what is scattered has to be fetched.
 *
 * An instruction is five numbers: what is asked, of which attribute, with which operand, and where to go on if it holds or
 * not. A place below zero is an end: `~place` is the number that the program answers with.
 */
export type Program = {
  readonly code: Int32Array
  /** What no number can stand for: texts, sets, versions, audiences. */
  readonly operands: readonly unknown[]
  /** Numbers and times. */
  readonly numbers: Float64Array
}

const width = 5

const opcodes = {
  equalsText: 0,
  equalsNumber: 1,
  oneOf: 2,
  startsWith: 3,
  endsWith: 4,
  contains: 5,
  lessThan: 6,
  atMost: 7,
  moreThan: 8,
  atLeast: 9,
  exists: 10,
  audience: 11,
  version: 12,
  has: 13,
  never: 14,
} as const

/** What a program answers with that is one condition alone. */
export const holds = 1
export const fails = 0

/** Where to go on. */
export type Places = { readonly ifTrue: number; readonly ifFalse: number }

/** Writes programs: last things first, so that where to go on is known when it is written down. */
export type Assembler = {
  /** Adds a condition, and answers with the place where it begins. */
  add(condition: Condition, places: Places): number
  finish(): Program
}

export const createAssembler = (scope: Scope): Assembler => {
  const { attributes } = scope
  const code: number[] = []
  const operands: unknown[] = []
  const numbers: number[] = []

  const instruction = (opcode: number, slot: number, operand: number, { ifTrue, ifFalse }: Places): number => {
    code.push(opcode, slot, operand, ifTrue, ifFalse)
    return code.length - width
  }
  const withOperand = (opcode: number, slot: number, operand: unknown, places: Places) =>
    instruction(opcode, slot, operands.push(operand) - 1, places)

  const addComparison = (comparison: Comparison, places: Places): number => {
    const slot = attributes.slotOf(comparison.attribute)
    const type = attributes.typeOf(comparison.attribute)
    const operator = operatorOf(comparison)
    const none = () => instruction(opcodes.never, 0, 0, places)
    if (slot === undefined || type === undefined || operator === undefined) return none()
    const operand = comparison[operator]
    if (operator === 'exists') return instruction(opcodes.exists, slot, operand === true ? 1 : 0, places)
    if (type === 'version') return withOperand(opcodes.version, slot, versionTestOf(operator, operand), places)
    if (operator === 'oneOf')
      return withOperand(opcodes.oneOf, slot, new Set(Array.isArray(operand) ? operand : []), places)
    const expected = parseOperand(type, operand)
    if (expected === undefined) return none()
    if (operator === 'equals' && typeof expected === 'string')
      return instruction(opcodes.equalsText, slot, attributes.name(expected), places)
    if (type === 'strings') return withOperand(opcodes.has, slot, expected, places)
    if (operator === 'startsWith' || operator === 'endsWith' || operator === 'contains')
      return withOperand(opcodes[operator], slot, expected, places)
    const opcode = operator === 'equals' ? opcodes.equalsNumber : opcodes[operator]
    return instruction(opcode, slot, numbers.push(Number(expected)) - 1, places)
  }

  const add: Assembler['add'] = (condition, places) => {
    const { ifTrue, ifFalse } = places
    if ('all' in condition)
      return condition.all.reduceRight((next, part) => add(part, { ifTrue: next, ifFalse }), ifTrue)
    if ('any' in condition)
      return condition.any.reduceRight((next, part) => add(part, { ifTrue, ifFalse: next }), ifFalse)
    if ('not' in condition) return add(condition.not, { ifTrue: ifFalse, ifFalse: ifTrue })
    if ('audience' in condition) return withOperand(opcodes.audience, 0, scope.audience(condition.audience), places)
    return addComparison(condition, places)
  }
  return { add, finish: () => ({ code: Int32Array.from(code), operands, numbers: Float64Array.from(numbers) }) }
}

type VersionTest = { readonly versions: readonly Version[]; readonly holds: (difference: number) => boolean }

const versionOperators: Readonly<Partial<Record<Operator, VersionTest['holds']>>> = {
  lessThan: (difference) => difference < 0,
  atMost: (difference) => difference <= 0,
  moreThan: (difference) => difference > 0,
  atLeast: (difference) => difference >= 0,
}

const versionTestOf = (operator: Operator, operand: unknown): VersionTest => ({
  versions: (Array.isArray(operand) ? operand : [operand])
    .map((text) => parseOperand('version' satisfies AttributeType, text) as Version | undefined)
    .filter((version) => version !== undefined),
  holds: versionOperators[operator] ?? ((difference) => difference === 0),
})

const holdsVersion = ({ versions, holds }: VersionTest, value: Version | undefined): boolean =>
  value !== undefined && versions.some((version) => holds(compareVersions(value, version)))

/**
 * Runs a program from a place to one of its ends. It never throws, and looks at no instruction twice. An attribute that is
 * missing, or of another type than declared, fulfils nothing but `exists: false`: its number is NaN, which is neither less,
 * more nor equal.
 */
export const run = ({ code, operands, numbers }: Program, begin: number, facts: Facts): number => {
  let at = begin
  while (at >= 0) {
    const slot = code[at + 1] as number
    const operand = code[at + 2] as number
    at = code[at + (compares(code[at] as number, slot, operand) ? 3 : 4)] as number
  }
  return ~at

  function compares(opcode: number, slot: number, operand: number): boolean {
    switch (opcode) {
      case opcodes.equalsText:
        return facts.names[slot] === operand
      case opcodes.equalsNumber:
        return facts.numbers[slot] === numbers[operand]
      case opcodes.oneOf:
        return (operands[operand] as ReadonlySet<unknown>).has(facts.values[slot])
      case opcodes.startsWith:
        return (facts.values[slot] as string | undefined)?.startsWith(operands[operand] as string) === true
      case opcodes.endsWith:
        return (facts.values[slot] as string | undefined)?.endsWith(operands[operand] as string) === true
      case opcodes.contains:
        return (facts.values[slot] as string | undefined)?.includes(operands[operand] as string) === true
      case opcodes.has:
        return (facts.values[slot] as ReadonlySet<unknown> | undefined)?.has(operands[operand]) === true
      case opcodes.lessThan:
        return (facts.numbers[slot] as number) < (numbers[operand] as number)
      case opcodes.atMost:
        return (facts.numbers[slot] as number) <= (numbers[operand] as number)
      case opcodes.moreThan:
        return (facts.numbers[slot] as number) > (numbers[operand] as number)
      case opcodes.atLeast:
        return (facts.numbers[slot] as number) >= (numbers[operand] as number)
      case opcodes.exists:
        return (facts.values[slot] !== undefined) === (operand === 1)
      case opcodes.audience:
        return (operands[operand] as ((facts: Facts) => boolean) | undefined)?.(facts) === true
      case opcodes.version:
        return holdsVersion(operands[operand] as VersionTest, facts.values[slot] as Version | undefined)
      default:
        return false
    }
  }
}
