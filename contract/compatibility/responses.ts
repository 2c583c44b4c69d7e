import { problemContentType } from '#contract/problem.ts'
import { type Break, isGone, type Pair, passes } from './breaks.ts'
import { type Case, casesOf, fixedOf } from './cases.ts'
import type { Header, Operation, Response } from './documents.ts'
import { type Followed, follow, inside, matchedOf, membersOf, type Part, schemaOf } from './parts.ts'
import { findCaseBreaks, findSchemaBreaks } from './schemas.ts'

/**
 * Which answers of an operation can now be what they never were, or lack what they had.
 *
 * Failures are compared by their code, not by their status. A code may be added, since a client must go by the status of a
 * code that it does not know, and may be dropped; while it is there, its problem keeps what it brought.
 */
export const findResponseBreaks = (operations: Pair<Part<Operation>>): Break[] => {
  const { gone, added, kept } = matchedOf({
    released: responsesOf(operations.released),
    current: responsesOf(operations.current),
  })
  return [
    ...gone
      .filter(([status]) => isSuccess(status))
      .map(([status, { pointer }]) => ({ pointer, what: isGone('answer', `the status ${status}`) })),
    ...added
      // 304 answers those alone who ask for it with a condition.
      .filter(([status]) => isSuccess(status) && status !== '304')
      .map(([status, { pointer }]) => ({ pointer, what: passes('answer', `the status ${status}`) })),
    ...kept.flatMap(({ name, ...pair }) => [...inHeaders(pair), ...inContent(pair, isSuccess(name))]),
    ...inProblems(operations),
  ]
}

const isSuccess = (status: string) => Number(status) < 400

const responsesOf = (operation: Part<Operation>) => membersOf(inside(operation, operation.value.responses, 'responses'))

const inHeaders = ({ released, current }: Pair<Part<Response>>): Break[] => {
  const { gone, kept } = matchedOf({ released: headersOf(released), current: headersOf(current) })
  return [
    ...gone.map(([name, { usedAt }]) => ({ pointer: usedAt, what: isGone('answer', `the header ${name}`) })),
    ...kept.flatMap(({ released, current }) =>
      findSchemaBreaks({ released: schemaOf(released), current: schemaOf(current) }, 'answer'),
    ),
  ]
}

/** Names of headers are the same in any case. */
const headersOf = (response: Part<Response>): ReadonlyMap<string, Followed<Header>> =>
  new Map(
    [...membersOf(inside(response, response.value.headers, 'headers'))].map(([name, header]) => [
      name.toLowerCase(),
      follow<Header>(header, 'headers', response.components.headers),
    ]),
  )

/** A problem's schema is not read here, where it is not known which codes belong together. */
const inContent = ({ released, current }: Pair<Part<Response>>, reads: boolean): Break[] => {
  const { gone, added, kept } = matchedOf({ released: contentOf(released), current: contentOf(current) })
  return [
    ...gone.map(([type, { pointer }]) => ({ pointer, what: isGone('answer', `the media type ${type}`) })),
    ...added.map(([type, { pointer }]) => ({ pointer, what: passes('answer', `the media type ${type}`) })),
    ...kept
      .filter(({ name }) => reads || name !== problemContentType)
      .flatMap(({ released, current }) =>
        findSchemaBreaks({ released: schemaOf(released), current: schemaOf(current) }, 'answer'),
      ),
  ]
}

const contentOf = (response: Part<Response>) => membersOf(inside(response, response.value.content, 'content'))

const inProblems = ({ released, current }: Pair<Part<Operation>>): Break[] =>
  matchedOf({ released: problemsOf(released), current: problemsOf(current) }).kept.flatMap(({ released, current }) =>
    findCaseBreaks({ released: released.problem, current: current.problem }, 'answer', released.pointer),
  )

/** The problems of an operation by their codes, under whatever status. @throws Error for a problem that fixes no code */
const problemsOf = (
  operation: Part<Operation>,
): ReadonlyMap<string, { readonly problem: Case; readonly pointer: string }> =>
  new Map(
    [...responsesOf(operation)]
      .filter(([status]) => !isSuccess(status))
      .flatMap(([, response]) => [...contentOf(response)])
      // Another protocol's failures are compared as any answer is.
      .filter(([type]) => type === problemContentType)
      .flatMap(([, content]) => {
        const place = schemaOf(content)
        return casesOf([place]).map((problem) => {
          const code = fixedOf(problem, 'code')
          if (code === undefined)
            throw new Error(`${place.pointer} holds a problem that fixes no code; give it a constant`)
          return [code, { problem, pointer: place.pointer }] as const
        })
      }),
  )
