import { listedMax } from '#contract/content.ts'
import type { Subject } from '#contract/evaluate/attribute.ts'
import { builtIns } from '#contract/evaluate/attribute.ts'
import { readCompiled } from '#contract/evaluate/compiled.ts'
import { createEvaluator, type Evaluator } from '#contract/evaluate/evaluator.ts'
import { createTelling, type Telling } from '#contract/evaluate/explain.ts'
import { prepareFlags } from '#contract/evaluate/flags.ts'
import type { evaluateAs as route } from '#contract/flags.ts'
import { Fault, inputErrorsMax } from '#contract/problem.ts'
import type { AnswerOf, InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import type { Live, LiveContent } from '#core/live-content.ts'
import { examine } from '#core/publish.ts'
import type { Db } from '#db/client.ts'
import { findDraft } from '#db/content.ts'

type Answer = AnswerOf<typeof route>
type Explained = Answer['flags'][number]

/**
 * What somebody gets, as an edge would evaluate it by the documents that are live at this moment, or by the draft of the flags
 * with the live events that are live. A flag that there is not is answered as OpenFeature does, `FLAG_NOT_FOUND`.
 *
 * @throws Fault `invalid_request` for something known that an edge does not know; `content_invalid` for a draft that could not
 * be published
 */
export const evaluateAs = async (
  liveContent: LiveContent,
  ctx: Pick<Context, 'db' | 'now'>,
  { body }: InputOf<typeof route>,
): Promise<Answer> => {
  requireKnowable(body.known)
  const at = body.at === undefined ? ctx.now : new Date(body.at)
  // What an operator has just published is what they ask about.
  const live = await liveContent(0)
  const draft = body.document === 'draft' ? await draftOf(ctx.db, live) : undefined
  const { keys, evaluator } = draft ?? { keys: live.flags.keys, evaluator: live.evaluator }
  const subject: Subject = { context: body.context, known: body.known, now: at.getTime() }
  const telling = createTelling()
  return {
    numbers: { ...live.numbers, ...(draft ? { flags: null } : {}) },
    at: at.toISOString(),
    flags: (body.flags ?? keys.slice(0, listedMax)).map((key) => explained(evaluator, key, { subject, telling })),
  }
}

const explained = (
  evaluator: Evaluator,
  key: string,
  { subject, telling }: { readonly subject: Subject; readonly telling: Telling },
): Explained => {
  const found = evaluator.explain(key, subject, telling)
  if (found) return { result: found.evaluation.answer, steps: found.steps }
  return { result: { key, errorCode: 'FLAG_NOT_FOUND', errorDetails: 'there is no such flag' }, steps: [] }
}

/** Attributes that an edge tells of by itself; the moment is asked for as `at`. */
const knowable = Object.keys(builtIns).filter((name) => name !== 'targetingKey' && name !== 'now')

const requireKnowable = (known: Readonly<Record<string, string>>): void => {
  const others = Object.keys(known).filter((name) => !knowable.includes(name))
  if (others.length === 0) return
  throw new Fault('invalid_request', {
    errors: others.slice(0, inputErrorsMax).map((name) => ({
      in: 'body',
      pointer: `/known/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      detail: `nothing that an edge knows: that is ${knowable.join(', ')}`,
    })),
  })
}

/** The draft of the flags with the live events that are live; undefined while it is what is live. */
const draftOf = async (
  db: Db,
  { calendar }: Live,
): Promise<{ readonly keys: readonly string[]; readonly evaluator: Evaluator } | undefined> => {
  const { draft } = await findDraft(db, 'flags')
  if (draft === null) return undefined
  const examined = await examine(db, { kind: 'flags', document: draft })
  if (examined.outcome === 'unchanged') return undefined
  if (examined.outcome === 'invalid') {
    const { faults } = examined
    throw new Fault('content_invalid', { extras: { faults: faults.slice(0, listedMax), faultsTotal: faults.length } })
  }
  const flags = prepareFlags(readCompiled<'flags'>(examined.content.compiled))
  return { keys: flags.keys, evaluator: createEvaluator(flags, calendar) }
}
