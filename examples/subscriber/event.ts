/** An event of Perigee, as CloudEvents 1.0 in binary mode says it: everything but the data stands in attributes. */
export type PerigeeEvent = {
  readonly id: string
  readonly type: string
  /** What it is about, such as `wallet:ply_…`; versions of one subject only grow. */
  readonly subject: string
  readonly version: number
  /** Of the request that caused it, for our own log. */
  readonly traceId: string | undefined
  /** Where its data is described, under the address of Perigee's edge. */
  readonly dataSchema: string | undefined
  readonly data: Data
}

export type Data = Readonly<Record<string, unknown>>

type Received = { readonly attributes: Readonly<Record<string, string>>; readonly data: Uint8Array }

/** Whether a message is ours to act on: what was redriven for another subscription has been here before. */
export const isFor = ({ attributes }: Received, subscription: string): boolean =>
  (attributes['perigee-redriven-for'] ?? subscription) === subscription

/** @throws Error for what is no event of Perigee */
export const parseEvent = ({ attributes, data }: Received): PerigeeEvent => ({
  id: required(attributes, 'ce-id'),
  type: required(attributes, 'ce-type'),
  subject: required(attributes, 'ce-subject'),
  version: versionOf(required(attributes, 'ce-aggregateversion')),
  traceId: attributes['ce-traceparent']?.split('-')[1],
  dataSchema: attributes['ce-dataschema'],
  data: objectOf(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data))),
})

/** @throws Error where the data has no such text */
export const textOf = (data: Data, member: string): string => {
  const value = data[member]
  if (typeof value !== 'string') throw new Error(`${member} is no text`)
  return value
}

/** @throws Error where the data has no such list */
export const listOf = (data: Data, member: string): unknown[] => {
  const value = data[member]
  if (!Array.isArray(value)) throw new Error(`${member} is no list`)
  return value
}

/** @throws Error for a list or a scalar */
export const objectOf = (value: unknown): Data => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no JSON object')
  return Object.fromEntries(Object.entries(value))
}

const required = (attributes: Readonly<Record<string, string>>, name: string): string => {
  const value = attributes[name]
  if (!value) throw new Error(`the attribute ${name} is missing`)
  return value
}

const versionOf = (text: string): number => {
  const version = Number(text)
  if (!Number.isSafeInteger(version)) throw new Error('ce-aggregateversion is no whole number')
  return version
}
