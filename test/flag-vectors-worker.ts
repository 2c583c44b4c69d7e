import { answerVectors, type FlagVectors } from './flag-vectors.ts'

/** A Worker that answers vectors with what it makes of them: evaluation as an edge runs it, and nothing else. */
export default {
  fetch: async (req: Request): Promise<Response> => Response.json(answerVectors((await req.json()) as FlagVectors)),
}
