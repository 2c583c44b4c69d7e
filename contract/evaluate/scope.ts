import type { Attributes } from './attribute.ts'
import type { Scope, Test } from './condition.ts'
import type { FlagsDocument } from './flags-document.ts'
import { type Assembler, createAssembler, fails, holds, type Program, run } from './program.ts'

/**
 * What the conditions of a document may speak of, and the one program that they all become a part of. `start` ends the writing
 * and answers with it; nothing may be tried before.
 */
export const createScope = (
  document: Pick<FlagsDocument, 'audiences'>,
  attributes: Attributes,
): {
  readonly scope: Scope
  readonly assembler: Assembler
  readonly audiences: number
  readonly start: () => Program
} => {
  const names = Object.keys(document.audiences)
  const tests = new Map<string, Test>()
  let whole: Program | undefined
  const program = (): Program => {
    if (!whole) throw new Error('a condition was tried before its document was ready')
    return whole
  }
  const testAt =
    (place: number): Test =>
    (facts) =>
      run(program(), place, facts) === holds
  const scope: Scope = {
    attributes,
    program,
    conditionOf: (name) => document.audiences[name]?.if,
    audience: (name) => tests.get(name),
    test: (condition) => testAt(assembler.add(condition, { ifTrue: ~holds, ifFalse: ~fails })),
  }
  const assembler = createAssembler(scope)
  // One audience may speak of another that stands below it: all have their names before any is compiled.
  const compiled = new Map<string, Test>()
  for (const [slot, name] of names.entries())
    tests.set(name, (facts) => {
      const known = facts.audiences[slot]
      if (known !== undefined) return known
      const answer = compiled.get(name)?.(facts) ?? false
      facts.audiences[slot] = answer
      return answer
    })
  for (const [name, audience] of Object.entries(document.audiences)) compiled.set(name, scope.test(audience.if))
  return {
    scope,
    assembler,
    audiences: names.length,
    start: () => {
      whole = assembler.finish()
      return whole
    },
  }
}
