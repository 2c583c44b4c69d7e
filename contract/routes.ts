import {
  refreshSession,
  signInWithApple,
  signInWithCustom,
  signInWithDevice,
  signInWithEmail,
  signInWithGoogle,
} from './auth.ts'
import {
  cancelPublish,
  diffDraft,
  discardDraft,
  getContent,
  getDraft,
  getVersion,
  listVersions,
  patchDraft,
  publishContent,
  putDraft,
  rollBackContent,
} from './content.ts'
import { recordExposures } from './experiments.ts'
import { evaluateAs, evaluateFlag, evaluateFlags } from './flags.ts'
import { changePassword, linkApple, linkCustom, linkDevice, linkEmail, linkGoogle, listLinks, unlink } from './links.ts'
import { claimLiveEvent, joinLiveEvent, listLiveEvents, listOwnLiveEvents } from './live-events.ts'
import { mergeAccounts } from './merge.ts'
import { banPlayer, deletePlayer, getPlayerRecord, unbanPlayer } from './moderation.ts'
import { createOperatorSession, endOperatorSession, getOperator, listAuditLog } from './operators.ts'
import { getDocs, getDocsFile, getErrorPage, getEventSchemas, getJwks, getOpenApi } from './platform.ts'
import { deleteOwnAccount, getOwnProfile, getProfile, updateOwnProfile } from './players.ts'
import type { Route } from './route.ts'
import { endOwnSession, listOwnSessions, logOut } from './sessions.ts'
import { createWalletTransaction, createWalletTransactions, getWallet } from './wallet.ts'

/** A set of routes under the names that clients call them by. */
export type RouteTable = Readonly<Record<string, Route>>

/** The whole API, one line a feature. The name of a route is its `operationId` and its method on the typed client. */
export const routes = {
  ...{ signInWithDevice, signInWithEmail, signInWithGoogle, signInWithApple, signInWithCustom, refreshSession, logOut },
  ...{ listLinks, linkDevice, linkEmail, linkGoogle, linkApple, linkCustom, unlink, changePassword },
  ...{ listOwnSessions, endOwnSession },
  ...{ mergeAccounts },
  ...{ getOwnProfile, updateOwnProfile, deleteOwnAccount, getProfile },
  ...{ getPlayerRecord, deletePlayer, banPlayer, unbanPlayer },
  ...{ getWallet, createWalletTransaction, createWalletTransactions },
  ...{ evaluateFlags, evaluateFlag, evaluateAs, recordExposures },
  ...{ listLiveEvents, joinLiveEvent, claimLiveEvent, listOwnLiveEvents },
  ...{ getContent, getDraft, putDraft, patchDraft, discardDraft, diffDraft, publishContent, cancelPublish },
  ...{ rollBackContent, listVersions, getVersion },
  ...{ createOperatorSession, endOperatorSession, getOperator, listAuditLog },
  ...{ getJwks, getOpenApi, getEventSchemas, getDocs, getDocsFile, getErrorPage },
} satisfies RouteTable
