import * as contract from '#contract/content.ts'
import { answers, type Handler, writes } from '#core/handler.ts'
import { cancelPublish } from './cancel-publish.ts'
import { diffDraft } from './diff-draft.ts'
import { discardDraft } from './discard-draft.ts'
import { getContent } from './get-content.ts'
import { getDraft } from './get-draft.ts'
import { getVersion } from './get-version.ts'
import { listVersions } from './list-versions.ts'
import { patchDraft } from './patch-draft.ts'
import { publishContent } from './publish-content.ts'
import { putDraft } from './put-draft.ts'
import { rollBackContent } from './roll-back-content.ts'

export const contentRoutes: Handler[] = [
  answers(contract.getContent, getContent),
  answers(contract.getDraft, getDraft),
  writes(contract.putDraft, putDraft),
  writes(contract.patchDraft, patchDraft),
  writes(contract.discardDraft, discardDraft),
  answers(contract.diffDraft, diffDraft),
  writes(contract.publishContent, publishContent),
  writes(contract.cancelPublish, cancelPublish),
  writes(contract.rollBackContent, rollBackContent),
  answers(contract.listVersions, listVersions),
  answers(contract.getVersion, getVersion),
]
