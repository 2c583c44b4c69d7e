import type { World } from './harness.ts'

/**
 * Every table with the number of its rows and a hash of what they hold, to be compared before and after: equal means that
 * nothing was written. Of the outbox only the number counts, for the relay marks what it has sent.
 */
export const contentsOf = async ({ sql }: World): Promise<Record<string, string>> => {
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_name <> 'outbox_leases' order by 1`
  const contents: Record<string, string> = {}
  for (const { name } of tables) {
    const [row] = await sql`select count(*)::text as rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text as hash
      from ${sql(name)} t`
    contents[name] = name === 'outbox' ? row?.rows : `${row?.rows} ${row?.hash}`
  }
  return contents
}
