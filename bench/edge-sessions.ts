import * as z from 'zod'
import { deviceIdOf } from './prefill.ts'

/** Access tokens as players hold them: signed by the core, to be verified by the edge. */
export type Sessions = {
  /** Of so many players, always the same ones, each good for the next five minutes. */
  tokens(count: number): Promise<readonly string[]>
}

/** Half of what an access token lives. */
const renewAfterMs = 5 * 60_000
const signInsAtOnce = 16
const requestMaxMs = 5_000

const answerSchema = z.object({ accessToken: z.string() })

/** Signs players of the stage in at `edgeUrl`. */
export const createSessions = (edgeUrl: string, publishableKey: string): Sessions => {
  let tokens: readonly string[] = []
  let madeAt = 0

  const signIn = async (number: number): Promise<string> => {
    const response = await fetch(`${edgeUrl}/v1/auth/device`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': publishableKey },
      body: JSON.stringify({ deviceId: deviceIdOf(number), create: false }),
      signal: AbortSignal.timeout(requestMaxMs),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`the edge answered ${response.status} to a sign-in: ${text}`)
    return answerSchema.parse(JSON.parse(text)).accessToken
  }

  return {
    tokens: async (count) => {
      if (tokens.length < count || Date.now() - madeAt > renewAfterMs) {
        madeAt = Date.now()
        tokens = await inParallel(Math.max(count, tokens.length), signInsAtOnce, (index) => signIn(index + 1))
      }
      return tokens.slice(0, count)
    },
  }
}

/** Works through the numbers from 0 to below `count`, `atOnce` of them at a time, and answers in their order. */
export const inParallel = async <Result>(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = new Array(count)
  let next = 0
  const run = async () => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index)
  }
  await Promise.all(Array.from({ length: atOnce }, run))
  return results
}
