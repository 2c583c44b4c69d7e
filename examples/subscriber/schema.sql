-- What this service keeps. Run at every start, so each statement may be repeated.
create schema if not exists wallet_copy;

-- State: what a wallet was last known to hold. `version` is that of the event which said so.
create table if not exists wallet_copy.wallets (
  player_id text primary key,
  version bigint not null,
  balances jsonb not null
);

-- State: who plays. `display_name` is null where an event said that it changed: whoever needs it reads the profile.
create table if not exists wallet_copy.players (
  player_id text primary key,
  version bigint not null,
  display_name text
);

-- The inbox: events that were acted on, each row written in the transaction of the act.
create table if not exists wallet_copy.receipts (
  event_id text primary key,
  received_at timestamptz not null default now()
);

-- Facts: how many transactions granted something, by their reason.
create table if not exists wallet_copy.grants (
  reason text primary key,
  transactions bigint not null
);

-- No event comes again after 37 days: a dead letter is kept for 30, and Pub/Sub keeps a message for 7.
delete from wallet_copy.receipts where received_at < now() - interval '37 days';
