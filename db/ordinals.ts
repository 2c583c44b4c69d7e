/**
 * The CTE `i`: a row an input, numbered by `ord`, of arrays of text. The planner does not see how long they are: a plan for one
 * length would be made anew each time.
 */
export const inputsOf = (columns: readonly string[]) => `i as materialized (
  select * from unnest(${columns.map((_, at) => `(select $${at + 1}::text[])`).join(', ')}) with ordinality
    as t(${columns.join(', ')}, ord)
)`

/** A row that answers the input of this number; the first is 1, as `with ordinality` counts. */
export type Numbered<Row> = Row & { readonly ord: number }

/** One answer an input of a set, in the order of the inputs; undefined for what no row answers. */
export const inOrder = <Row, Answer>(
  rows: readonly Numbered<Row>[],
  count: number,
  answerOf: (row: Row) => Answer,
): (Answer | undefined)[] => {
  const answers = Array.from<Answer | undefined>({ length: count })
  for (const { ord, ...row } of rows) answers[ord - 1] = answerOf(row as Row)
  return answers
}
