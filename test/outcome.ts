import { CallError } from '#contract/client.ts'

/** `served`, or the code of the refusal. */
export const outcomeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call
    return 'served'
  } catch (error) {
    if (error instanceof CallError) return error.code
    throw error
  }
}
