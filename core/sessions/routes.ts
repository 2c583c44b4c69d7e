import * as contract from '#contract/sessions.ts'
import { answers, type Handler } from '#core/handler.ts'
import { endOwnSession } from './end-own-session.ts'
import { listOwnSessions } from './list-own-sessions.ts'
import { logOut } from './log-out.ts'

export const sessionRoutes: Handler[] = [
  answers(contract.listOwnSessions, listOwnSessions),
  answers(contract.endOwnSession, endOwnSession),
  answers(contract.logOut, logOut),
]
