import { type Break, isGone, isNeeded, type Pair, passes } from './breaks.ts'
import { pointerTo } from './cases.ts'
import type { Operation, Parameter } from './documents.ts'
import { type Followed, follow, inside, matchedOf, membersOf, type Part, schemaOf } from './parts.ts'
import { findSchemaBreaks } from './schemas.ts'

/** Which calls of an operation were accepted and are no longer, or mean something else. */
export const findRequestBreaks = (operations: Pair<Part<Operation>>): Break[] => [
  ...inSecurity(operations),
  ...inParameters(operations),
  ...inBody(operations),
]

/** Each set of credentials that was enough must be so still. Where none is asked for, the empty set is. */
const inSecurity = ({ released, current }: Pair<Part<Operation>>): Break[] => {
  const setsOf = ({ value }: Part<Operation>) =>
    value.security.length === 0 ? [new Set<string>()] : value.security.map((set) => new Set(Object.keys(set)))
  return setsOf(released)
    .filter((set) => !setsOf(current).some((asked) => asked.isSubsetOf(set)))
    .map((set) => ({
      pointer: pointerTo(released.pointer, 'security'),
      what: passes('request', `a call with ${[...set].join(' and ') || 'no'} credentials`),
    }))
}

const inParameters = ({ released, current }: Pair<Part<Operation>>): Break[] => {
  const { gone, added, kept } = matchedOf({ released: parametersOf(released), current: parametersOf(current) })
  return [
    ...gone.map(([name, { usedAt }]) => ({ pointer: usedAt, what: isGone('request', `the parameter ${name}`) })),
    ...added
      .filter(([, { value }]) => value.required)
      .map(([name, { usedAt }]) => ({ pointer: usedAt, what: isNeeded('request', `the parameter ${name}`) })),
    ...kept.flatMap(({ name, ...pair }) => [
      ...becomesNeeded(pair, `the parameter ${name}`),
      ...findSchemaBreaks({ released: schemaOf(pair.released), current: schemaOf(pair.current) }, 'request'),
    ]),
  ]
}

/** By where it is sent and its name: `query limit`. Names of headers are the same in any case. */
const parametersOf = (operation: Part<Operation>): ReadonlyMap<string, Followed<Parameter>> =>
  new Map(
    operation.value.parameters.map((parameter, index) => {
      const followed = follow<Parameter>(
        inside(operation, parameter, 'parameters', index),
        'parameters',
        operation.components.parameters,
      )
      const { in: place, name } = followed.value
      return [`${place} ${place === 'header' ? name.toLowerCase() : name}`, followed]
    }),
  )

const inBody = ({ released, current }: Pair<Part<Operation>>): Break[] => {
  const [was, is] = [bodyOf(released), bodyOf(current)]
  if (!was) return is?.value.required ? [{ pointer: is.pointer, what: isNeeded('request', 'a body') }] : []
  if (!is) return [{ pointer: was.pointer, what: isGone('request', 'the body') }]
  const pair = { released: was, current: is }
  const { gone, kept } = matchedOf({ released: contentOf(was), current: contentOf(is) })
  return [
    ...becomesNeeded(pair, 'the body'),
    ...gone.map(([type, { pointer }]) => ({ pointer, what: isGone('request', `the media type ${type}`) })),
    ...kept.flatMap(({ released, current }) =>
      findSchemaBreaks({ released: schemaOf(released), current: schemaOf(current) }, 'request'),
    ),
  ]
}

const bodyOf = (operation: Part<Operation>) => {
  const { requestBody } = operation.value
  return requestBody && inside(operation, requestBody, 'requestBody')
}

const contentOf = (body: Part<NonNullable<Operation['requestBody']>>) =>
  membersOf(inside(body, body.value.content, 'content'))

const becomesNeeded = ({ released, current }: Pair<Part<{ readonly required: boolean }>>, what: string): Break[] =>
  current.value.required && !released.value.required
    ? [{ pointer: released.pointer, what: isNeeded('request', what) }]
    : []
