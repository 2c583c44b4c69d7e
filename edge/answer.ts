/** What goes back to the client, as data: one Response is made of it at the end, for each one costs as much as a whole hit. */
export type Answer = {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Record<string, string>
  readonly body: BodyInit | null
}
