import { randomBytes } from 'node:crypto'
import type { World } from './harness.ts'

/** A world's database, as a role sees it whose statements take their time. */
export type CostlyDatabase = {
  readonly url: string
  /** Gives everything back; no connection of the role may be left. */
  drop(): Promise<void>
}

export type Costs = {
  /** What a statement costs, milliseconds, in which its connection does nothing else and no processor is used. */
  readonly costMs: number
  /** A `select` of one row of these costs it. */
  readonly selects: readonly string[]
  /** A statement that inserts into one of these, be it one row or many. */
  readonly inserts: readonly string[]
}

/**
 * Gives statements a known cost: what a core can do is then known, and whoever measures it does not compete with it. Reads by
 * row-level security, which does not hold for the role of the tests, and writes by a trigger: the statements are as they are.
 */
export const makeCostly = async (
  { sql, databaseUrl }: Pick<World, 'sql' | 'databaseUrl'>,
  { costMs, selects, inserts }: Costs,
): Promise<CostlyDatabase> => {
  const role = `costly_${randomBytes(6).toString('hex')}`
  const sleep = `perform pg_sleep(${costMs / 1_000})`
  await sql.unsafe(`
    create role ${role} login password '${role}';
    create function cost_of_row() returns boolean language plpgsql volatile as
      $$ begin if current_query() like 'select%' then ${sleep}; end if; return true; end $$;
    create function cost_of_statement() returns trigger language plpgsql as
      $$ begin if current_user = '${role}' then ${sleep}; end if; return null; end $$;
    grant usage on schema public, drizzle to ${role};
    grant all on all tables in schema public, drizzle to ${role};
    grant all on all sequences in schema public, drizzle to ${role};`)
  for (const table of selects)
    await sql.unsafe(`
      alter table ${table} enable row level security;
      create policy selected on ${table} for select using (cost_of_row());
      create policy inserted on ${table} for insert with check (true);
      create policy updated on ${table} for update using (true);
      create policy deleted on ${table} for delete using (true);`)
  for (const table of inserts)
    await sql.unsafe(`
      create trigger costly before insert on ${table} for each statement execute function cost_of_statement()`)
  const url = new URL(databaseUrl)
  url.username = role
  url.password = role
  return {
    url: url.href,
    drop: async () => {
      await sql.unsafe(`drop owned by ${role}; drop role ${role}`)
    },
  }
}
