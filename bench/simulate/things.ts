import type { PlayerId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import { keyOf, tagOf } from '#edge/cache/key.ts'
import type { Cells } from '#edge/cells.ts'
import type { Routed } from '#edge/exchange.ts'

/** Of the id's 26 places, those that tell the stratum; the rest is a number. Digits are in the alphabet of ids. */
const stratumPlaces = 8
const numberPlaces = 18

/** A profile that is read: its id, and what the edge's own code makes of it. */
export type Thing = { readonly exchange: Routed; readonly key: string; readonly tag: string }

/** A profile by stratum and number. Players are at home in all cells alike. */
export const thingOf = ({ names }: Cells, stratum: number, number: number): Thing => {
  const cell = names[(stratum + number) % names.length]
  const digits = String(stratum).padStart(stratumPlaces, '0') + String(number).padStart(numberPlaces, '0')
  const playerId = `ply_${cell}_${digits}` as PlayerId
  const exchange = exchangeOf(playerId)
  return { exchange, key: keyOf(exchange), tag: tagOf(exchange, getProfile.delivery) }
}

/** The stratum of the thing that a name of a tier ends with. */
export const stratumOf = (name: string): number => Number(name.slice(-stratumPlaces - numberPlaces, -numberPlaces))

/** A request for a profile, with that alone of it which keys, tags and routing look at. */
const exchangeOf = (playerId: PlayerId): Routed => {
  const part: Pick<Routed, 'route' | 'params' | 'query' | 'target'> = {
    route: getProfile,
    params: { playerId },
    query: {},
    target: `/v1/players/${playerId}`,
  }
  return part as Routed
}
