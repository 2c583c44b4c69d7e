import * as contract from '#contract/players.ts'
import { answers, type Handler, snapshots, writesInSets } from '#core/handler.ts'
import { getOwnProfile } from './get-own-profile.ts'
import { getProfile } from './get-profile.ts'
import { updateOwnProfile } from './update-own-profile.ts'

export const playerRoutes: Handler[] = [
  answers(contract.getOwnProfile, getOwnProfile),
  writesInSets(contract.updateOwnProfile, updateOwnProfile),
  snapshots(contract.getProfile, getProfile),
]
