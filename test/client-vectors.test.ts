import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { type ErrorCode, errors, isErrorCode } from '#contract/errors.ts'

const answer = z.union([
  z.strictObject({ network: z.string() }),
  z.strictObject({
    status: z.int(),
    code: z.string().optional(),
    contentType: z.string().optional(),
    retryAfterSeconds: z.int().positive().optional(),
  }),
])
const action = z.enum(['use', 'use-stored', 'retry', 'refresh', 'prove', 'sign-in', 'fail'])
const schema = z.strictObject({
  actions: z.record(action, z.string()),
  vectors: z.array(
    z.strictObject({
      call: z.enum(['any', 'read', 'write', 'refresh']),
      answer,
      action,
      waitSeconds: z.int().positive().optional(),
    }),
  ),
})
const file = new URL('./vectors/client.json', import.meta.url)
const { vectors } = schema.parse(JSON.parse(await readFile(file, 'utf8')))

const told = vectors.flatMap((vector) =>
  'status' in vector.answer ? [{ ...vector, ...vector.answer, code: vector.answer.code ?? '' }] : [],
)

test('a client is told what to do about every code, in the status that it comes with', () => {
  const codes = new Set(told.map(({ code }) => code))
  expect(Object.keys(errors).filter((code) => !codes.has(code))).toEqual([])
  for (const { code, status } of told)
    if (isErrorCode(code)) expect([code, status]).toEqual([code, errors[code].status])
})

test('what the table calls retryable is retried, and nothing else is but by a new token or proof', () => {
  const wanted = (call: string, code: ErrorCode) => {
    if (code === 'token_expired' || code === 'token_invalid') return 'refresh'
    // A merge shows another account's token: what is wrong with that ends no session of the caller's.
    if (call === 'refresh' && code === 'refresh_proof_invalid') return 'prove'
    if (call === 'refresh' && code.startsWith('refresh_token_')) return 'sign-in'
    return errors[code].retryable ? 'retry' : 'fail'
  }
  for (const { call, code, action } of told)
    if (isErrorCode(code)) expect([code, action]).toEqual([code, wanted(call, code)])
})

test('no network error and no 5xx ends a session, and only the refresh itself can', () => {
  for (const { call, answer, action } of vectors) {
    const isOurs = 'status' in answer && answer.status < 500
    if (!isOurs) expect([answer, action]).toEqual([answer, 'retry'])
    if (action === 'sign-in') expect([call, 'status' in answer && answer.status]).toEqual(['refresh', 401])
  }
})

test('a wait that was asked for is kept', () => {
  for (const { answer, waitSeconds } of vectors)
    expect(waitSeconds).toBe('retryAfterSeconds' in answer ? answer.retryAfterSeconds : undefined)
})
