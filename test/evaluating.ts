import type { World } from './harness.ts'

export type Evaluated = {
  readonly status: number
  readonly value: unknown
  readonly number: number
  readonly retryAfter: string | null
}

/** Asks an edge or an isolate for one flag of a world, as a client app does. */
export const evaluateAt = async (world: World, url: string, key = 'greeting'): Promise<Evaluated> => {
  const response = await fetch(`${url}/ofrep/v1/evaluate/flags/${key}`, {
    method: 'POST',
    headers: { 'x-api-key': world.keys.publishable, 'content-type': 'application/json' },
    body: '{"context":{"targetingKey":"somebody"}}',
  })
  const { status, headers } = response
  const { value } = JSON.parse(await response.text())
  return { status, value, number: Number(headers.get('perigee-flags')), retryAfter: headers.get('retry-after') }
}

/** Flags of which one says a word. */
export const flagsSaying = (greeting: string) => ({
  flags: { greeting: { type: 'string', variants: { only: greeting }, default: 'only' } },
})
