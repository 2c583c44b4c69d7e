import type { Place } from '#contract/edge-request.ts'
import type { Exchange } from './exchange.ts'

/** Two letters, as Cloudflare writes countries and continents; undefined for what it does not know. */
const codeOf = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[A-Z0-9]{2}$/.test(value) ? value : undefined

/** Where a request comes from, as far as the network tells: no header of the caller's has a say in it. */
export const placeOf = ({ request }: Pick<Exchange, 'request'>): Place => {
  const { cf } = request
  return { country: codeOf(cf?.country), continent: codeOf(cf?.continent) }
}
