import type { OwnProfile, Profile } from '#contract/players.ts'
import type { PlayerRow } from '#db/players.ts'

/** What everybody may see of a player. */
export const profileOf = (row: PlayerRow): Profile => ({
  id: row.playerId,
  displayName: row.displayName,
  avatarUrl: row.avatarUrl,
  country: row.country,
  language: row.language,
  metadata: row.metadata,
  createdAt: row.createdAt.toISOString(),
})

/** What a player sees of themselves. */
export const ownProfileOf = (row: PlayerRow): OwnProfile => ({
  ...profileOf(row),
  timeZone: row.timeZone,
  updatedAt: row.updatedAt.toISOString(),
})
