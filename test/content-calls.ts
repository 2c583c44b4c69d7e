import type { CallOptions, Client } from '#contract/client.ts'
import type { ContentKind } from '#contract/content.ts'
import type { routes } from '#contract/routes.ts'
import { createPublisher, type Publisher } from '#core/publisher.ts'
import { createLog } from '#infra/log.ts'
import { cell, type World } from './harness.ts'

/** The header that names the revision a change was made with in mind. */
export const ifMatch = (revision: number | '*'): CallOptions => ({
  headers: { 'if-match': revision === '*' ? '*' : `"${revision}"` },
})

/** A flag of two variants, on for nobody. */
export const flagOf = (over: object = {}) => ({
  type: 'boolean',
  variants: { on: true, off: false },
  default: 'off',
  ...over,
})

/** A live event that is on for a day, with what it says besides. */
export const eventOf = (over: object = {}) => ({
  title: 'Summer',
  schedule: { start: '2026-06-01T00:00:00.000Z', end: '2026-06-02T00:00:00.000Z' },
  ...over,
})

export type Operator = Client<typeof routes>

/** Makes a document the draft, whatever was there. Answers with the revision. */
export const draft = async (
  operator: Operator,
  kind: ContentKind,
  document: Record<string, unknown>,
): Promise<number> => (await operator.putDraft({ params: { kind }, body: { document } }, ifMatch('*'))).body.revision

/** Makes a document live. Answers with its number. */
export const publishNew = async (operator: Operator, kind: ContentKind, document: Record<string, unknown>) => {
  await draft(operator, kind, document)
  const { body } = await operator.publishContent({ params: { kind }, body: { note: 'test' } }, ifMatch('*'))
  if (!body.version) throw new Error('it is live')
  return body.version
}

/** One more publisher of a world, beside the one that its core runs. */
export const publisherOf = ({ database: { db }, clock, logLines }: World): Publisher =>
  createPublisher({ db, cell, clock, log: createLog({ service: 'core', cell }, (line) => logLines.push(line)) })

/** As it was before the first publish; only revisions go on. */
export const forgetContent = async ({ sql }: World): Promise<void> => {
  await sql`delete from content_versions`
  await sql`update content_drafts set revision = revision + 1, draft = null, draft_updated_at = null,
    draft_updated_by = null, publish_at = null, scheduled = null, scheduled_by = null, scheduled_note = null`
  await sql`delete from audit_log`
}
