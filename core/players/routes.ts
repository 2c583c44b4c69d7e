import * as contract from '#contract/players.ts'
import type { DisplayNames } from '#core/display-names.ts'
import { answers, type Handler, snapshots, writesInSets } from '#core/handler.ts'
import { deleteOwnAccount } from './delete-own-account.ts'
import { getOwnProfile } from './get-own-profile.ts'
import { getProfile } from './get-profile.ts'
import { updateOwnProfile } from './update-own-profile.ts'

/** What the routes of players need beside the request. */
export type PlayerOptions = { readonly names: DisplayNames; readonly deletionGraceMs: number }

export const playerRoutes = ({ names, deletionGraceMs }: PlayerOptions): Handler[] => [
  answers(contract.getOwnProfile, getOwnProfile),
  writesInSets(contract.updateOwnProfile, (ctx, input) => updateOwnProfile(names, ctx, input)),
  answers(contract.deleteOwnAccount, (ctx) => deleteOwnAccount(deletionGraceMs, ctx)),
  snapshots(contract.getProfile, getProfile),
]
