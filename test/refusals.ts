import { expect } from 'vitest'
import { type Problem, problemSchema } from '#contract/problem.ts'
import { checkedFetch } from './checked-fetch.ts'
import { type Cast, requestOf, validCall } from './valid-call.ts'

/** The problem that a request is answered with, held to the contract. */
export const problemOf = async (request: Request): Promise<Problem> =>
  problemSchema.parse(JSON.parse(await (await checkedFetch(request)).text()))

export type Body = string | Uint8Array<ArrayBuffer> | ReadableStream

/** The answer to a route's valid call with this in the place of its body. */
export const answerTo = (cast: Cast, name: string, body: Body): Promise<Problem> =>
  problemOf(
    new Request(requestOf(cast.world.edgeUrl, { ...validCall(cast, name), body: undefined }), { body, duplex: 'half' }),
  )

/** The body is refused, and one of the faults that are told is at the pointer. */
export const expectInvalid = async (
  cast: Cast,
  at: { readonly name: string; readonly body: string; readonly pointer: string },
) => {
  const { code, errors } = await answerTo(cast, at.name, at.body)
  expect([code, errors?.[0]?.in, errors?.map((error) => error.pointer)]).toEqual([
    'invalid_request',
    'body',
    expect.arrayContaining([at.pointer]),
  ])
}
