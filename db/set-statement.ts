import { type ErrorCode, errors } from '#contract/errors.ts'
import type { Moved } from '#contract/events.ts'
import { problemContentType, problemHead } from '#contract/problem.ts'
import { claimLockKey } from './idempotency.ts'

/** The parts of a set statement that a verb declares. All but the first two are SQL over the parts before them. */
export type SetParts = {
  /** What it does, for whoever watches it: `wallet-transactions`. */
  readonly name: string
  /** The table whose row each command locks, and the column of its primary key, which the command's aggregate is a value of. */
  readonly rows: { readonly table: string; readonly key: string }
  /**
   * `select ord, fingerprint, status, content_type, body, moved`: answers that are kept for ever, for commands of `i`; so
   * that a retry after the claims were reaped finds its answer too.
   */
  readonly permanent?: string
  /**
   * SQL over a command of `q`: whether `permanent` may know it by anything but its key, which is all that its lock is on. What
   * another call has committed after the statement's snapshot is then seen by the row's `version`, which every answer that is
   * kept for ever raises: a command whose row is newer than the snapshot is `raced`.
   */
  readonly known?: string
  /**
   * CTEs over `n` (the new commands: the columns of `i`, and `input` as jsonb) and `w` (the locked rows, all columns). Reads of
   * rows only what `w` has locked. The last of them is `r`, a row a command, with what the effects need and
   * - `ord, principal, key, fingerprint, traceparent, at` of the command;
   * - `code`, null or the code of the refusal; `body`, the answer; `moved`, the tags whose version it moved;
   * - `version, event_id, event_aggregate, event_type, event_data` of the one event that an applied command leaves.
   */
  readonly decide: string
  /** CTEs over `a`, the commands that were claimed and not refused. Nothing else may be read from `r`. */
  readonly effects: string
  /** The CTE of `effects` that must touch exactly one row a command, or the statement fails. */
  readonly guard: string
}

/** A command that was carried out or refused just now (`done`), or under its key before (`replayed`). */
export type Answered = {
  readonly outcome: 'done' | 'replayed'
  readonly status: number
  readonly content_type: string
  readonly body: string
  readonly moved: readonly Moved[]
}

/**
 * What became of one command of a set. `held`: another transaction has its row; `busy`: another call has its key; `raced`:
 * a claim, or an answer that is kept for ever, committed after the statement's snapshot. These three have had no effect and
 * ask to be sent again.
 */
export type SetRow = Answered | { readonly outcome: 'mismatch' | 'held' | 'busy' | 'raced' }

/** What a set does about rows that another transaction has locked: passes over them, or waits. */
export type SetForm = 'passing' | 'waiting'

/** One write in two forms that differ in what they do about a row that another transaction has locked. */
export type SetStatement = {
  readonly name: string
  /** Passes over it: its command is `held`, and nobody else in the set waits. */
  readonly passing: string
  /** Waits for it, up to `lock_timeout`. */
  readonly waiting: string
}

/**
 * A write over a set of commands as one statement: find earlier answers, lock, decide, claim with the answer, and let only
 * the claimed have effects. READ COMMITTED; every command gets exactly one row, in order.
 *
 * Parameters: arrays of equal length `principal, key, fingerprint, aggregate, input (JSON text), request id, traceparent`,
 * then the time as milliseconds. No key and no aggregate may stand in a set twice.
 * @see docs/decisions/0004-writes-as-sets.md
 */
export const setStatement = (parts: SetParts): SetStatement => ({
  name: parts.name,
  passing: statementOf(parts, 'passing'),
  waiting: statementOf(parts, 'waiting'),
})

const statementOf = ({ rows, permanent, known, decide, effects, guard }: SetParts, form: SetForm): string => `
with i as materialized (
  select t.*, to_timestamp($8::bigint / 1000.0)::timestamptz(3) as at
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
    as t(principal, key, fingerprint, aggregate, input_text, request_id, traceparent, ord)
), l as materialized (
  select ord, pg_try_advisory_xact_lock(${claimLockKey('principal', 'key')}) as free from i order by ord
), p as materialized (
  select distinct on (ord) * from (
    select i.ord, c.fingerprint, c.status, c.content_type, c.body, c.moved, 0 as place
    from i cross join lateral (select * from idempotency_claims c where c.principal = i.principal and c.key = i.key limit 1) c
    ${permanent === undefined ? '' : `union all select kept.*, 1 from (${permanent}) kept`}
  ) prior order by ord, place
), q as materialized (
  select i.*, i.input_text::jsonb as input from i join l using (ord)
  where l.free and not exists (select from p where p.ord = i.ord)
), w as materialized (
  select t.* from ${rows.table} t where t.${rows.key} = any(array(select aggregate from q))
  order by t.${rows.key} ${lockOf[form]}
), s as materialized (
  select q.ord from q ${known === undefined ? 'where false' : `join w on w.${rows.key} = q.aggregate where ${known} and ${isNewer(rows)}`}
), n as materialized (
  select q.* from q where not exists (select from s where s.ord = q.ord)
    ${form === 'passing' ? `and (${lockedOrAbsent(rows)})` : ''}
), ${decide}, c as (
  insert into idempotency_claims (principal, key, fingerprint, status, content_type, body, moved, created_at)
  select principal, key, fingerprint, ${statusOf('code')}, ${contentTypeOf('code')}, body, moved, at
  from r order by principal, key
  on conflict do nothing returning principal, key
), a as materialized (
  select r.* from r join c using (principal, key) where r.code is null
), ${effects}, o as (
  insert into outbox (event_id, aggregate, version, type, data, moved, traceparent, occurred_at)
  select event_id, event_aggregate, version, event_type, event_data, moved, traceparent, at from a
)
select
  case
    when not l.free then 'busy'
    when p.ord is not null then case when p.fingerprint = i.fingerprint then 'replayed' else 'mismatch' end
    when s.ord is not null then 'raced'
    when r.ord is null then 'held'
    when c.key is null then 'raced'
    else 'done'
  end as outcome,
  coalesce(p.status, ${statusOf('r.code')}) as status,
  coalesce(p.content_type, ${contentTypeOf('r.code')}) as content_type,
  coalesce(p.body, r.body) as body,
  coalesce(p.moved, r.moved) as moved,
  1 / (case when (select count(*) from ${guard}) = (select count(*) from a) then 1 else 0 end) as guard
from i join l using (ord) left join p using (ord) left join s using (ord) left join r using (ord)
  left join c on c.principal = i.principal and c.key = i.key
order by i.ord`

/** Either reads the newest row, also after a wait; the order keeps sets from waiting for each other in a circle. */
const lockOf = { passing: 'for no key update skip locked', waiting: 'for no key update' }

/** A command whose row was locked here, or does not exist; what is left has a row that another transaction holds. */
const lockedOrAbsent = ({ table, key }: SetParts['rows']) =>
  `exists (select from w where w.${key} = q.aggregate) or not exists (select from ${table} t where t.${key} = q.aggregate)`

/** Whether `w`, which is read as it is now, is newer than the row that everything else in the statement sees. */
const isNewer = ({ table, key }: SetParts['rows']) =>
  `w.version <> (select t.version from ${table} t where t.${key} = w.${key})`

/** A moment as the API writes it: RFC 3339, UTC, milliseconds. */
export const time = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** JSON text of a text value in SQL, `to_json` being exact for text. */
export const quoted = (expression: string) => `to_json(${expression})::text`

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

/**
 * SQL for the problem document of a refusal of command `n`: the head that its code fixes, then the members that it brings.
 * @param members name -> SQL of its JSON text
 */
export const refusal = (code: ErrorCode, members: Readonly<Record<string, string>> = {}): string =>
  [
    literal(problemHead(code)),
    ...Object.entries({ requestId: quoted('n.request_id'), ...members }).map(
      ([name, json]) => `${literal(`,"${name}":`)} || ${json}`,
    ),
    "'}'",
  ].join(' || ')

/** What a verb found against its command, to be refused with unless it was answered before: the code, and the whole answer. */
export type Refused = { readonly code: ErrorCode; readonly body: string }

/** The status of success is 200 for every write in sets. */
const statusOf = (code: string) => {
  const cases = Object.entries(errors).map(([name, { status }]) => `when '${name}' then ${status}`)
  return `(case ${code} ${cases.join(' ')} else 200 end)::smallint`
}

const contentTypeOf = (code: string) =>
  `case when ${code} is null then 'application/json' else '${problemContentType}' end`
