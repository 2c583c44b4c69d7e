import { type Cached, fill } from '#contract/route.ts'
import type { Routed } from '#edge/exchange.ts'

/** Of the form in which entries are stored: another one is never met by a release that does not know it. */
const generation = 'e2'

/** The name under which every tier keeps the answer to a request. All callers share it. */
export const keyOf = (exchange: Routed): string => `${generation}:${exchange.target}`

/** The name of the thing that the answer shows; a change of it disqualifies the entry. */
export const tagOf = ({ params }: Routed, { tag }: Cached): string => fill(tag, params)
