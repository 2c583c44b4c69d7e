import * as contract from '#contract/operators.ts'
import { answers, type Handler, writes } from '#core/handler.ts'
import { createOperatorSession, type OperatorSignIn } from './create-operator-session.ts'
import { endOperatorSession } from './end-operator-session.ts'
import { getOperator } from './get-operator.ts'
import { listAuditLog } from './list-audit-log.ts'

export const operatorRoutes = (signIn: OperatorSignIn): Handler[] => [
  answers(contract.createOperatorSession, (ctx, input) => createOperatorSession(signIn, ctx, input)),
  answers(contract.getOperator, getOperator),
  answers(contract.listAuditLog, listAuditLog),
  writes(contract.endOperatorSession, endOperatorSession),
]
