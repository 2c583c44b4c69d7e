import fc from 'fast-check'
import type { Route } from '#contract/route.ts'
import { table } from './valid-call.ts'

/** Every route that reads for somebody; a new one is among them by itself. A question with a body is not asked in guises. */
export const reads = table.filter(
  ([, { method, delivery }]) => method === 'GET' && (delivery.kind === 'cached' || delivery.kind === 'direct'),
)

/** One question that two players ask, in a form that might make a cache take one for the other. */
export type Guise = {
  readonly read: readonly [name: string, route: Route]
  readonly first: number
  readonly second: number
  readonly about: number
  readonly headers: Readonly<Record<string, string>>
  readonly query: readonly (readonly [string, string])[]
  readonly path: 'plain' | 'encoded' | 'dotted' | 'doubled' | 'slashed' | 'suffixed'
  readonly together: boolean
}

/** Stands for a value of the other one of the pair until it is known who that is. */
const others = ['{id}', '{token}', '{refresh}', '{session}'] as const
const values = fc.oneof(
  fc.constantFrom(...others),
  fc.stringMatching(/^[!-~]{1,20}$/),
  fc.constantFrom('*', 'no-cache', '0', 'a=b; c=d'),
)
const headerNames = [
  'accept',
  'cache-control',
  'cookie',
  'if-modified-since',
  'if-none-match',
  'perigee-consistency',
  'perigee-principal',
  'pragma',
  'range',
  'x-api-key',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-original-url',
  'x-rewrite-url',
  'x-user-id',
  'x-http-method-override',
]

export const guisesOf = (playersCount: number): fc.Arbitrary<Guise> =>
  fc.record({
    read: fc.constantFrom(...reads),
    first: fc.nat(playersCount - 1),
    second: fc.integer({ min: 1, max: playersCount - 1 }),
    about: fc.nat(playersCount - 1),
    headers: fc.dictionary(fc.constantFrom(...headerNames), values, { maxKeys: 4 }),
    query: fc.array(fc.tuple(fc.constantFrom('playerId', 'access_token', 'user', 'cb', '_', 'sub'), values), {
      maxLength: 3,
    }),
    path: fc.constantFrom('plain', 'plain', 'plain', 'encoded', 'dotted', 'doubled', 'slashed', 'suffixed'),
    together: fc.boolean(),
  })

export const spell = (path: string, how: Guise['path']): string => {
  switch (how) {
    case 'encoded':
      return path.replace(/[^/]$/, (char) => `%${char.charCodeAt(0).toString(16)}`)
    case 'dotted':
      return path.replace(/\/([^/]+)$/, '/x/../$1')
    case 'doubled':
      return path.replace(/\/([^/]+)$/, '//$1')
    case 'slashed':
      return `${path}/`
    case 'suffixed':
      return `${path}/cached.css`
    default:
      return path
  }
}
