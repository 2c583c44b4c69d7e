CREATE TABLE "idempotency_claims" (
	"principal" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"status" smallint NOT NULL,
	"content_type" text NOT NULL,
	"body" text NOT NULL,
	"moved" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_claims_principal_key_pk" PRIMARY KEY("principal","key"),
	CONSTRAINT "idempotency_claims_key" CHECK (char_length("idempotency_claims"."key") between 1 and 255)
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"key_id" text collate "C" PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"prefix" text NOT NULL,
	"hash" text NOT NULL,
	"origins" text[] NOT NULL,
	"role" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "api_keys_hash" UNIQUE("hash"),
	CONSTRAINT "api_keys_kind" CHECK ("api_keys"."kind" in ('publishable', 'server', 'operator')),
	CONSTRAINT "api_keys_name" CHECK (char_length("api_keys"."name") between 1 and 64),
	CONSTRAINT "api_keys_origins" CHECK (cardinality("api_keys"."origins") <= 32)
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"key_id" text collate "C" PRIMARY KEY NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"private_jwk_encrypted" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"event_id" text collate "C" PRIMARY KEY NOT NULL,
	"aggregate" text NOT NULL,
	"partition" smallint GENERATED ALWAYS AS ((hashtextextended(aggregate, 0) & 15)::smallint) STORED NOT NULL,
	"version" bigint NOT NULL,
	"type" text NOT NULL,
	"data" jsonb NOT NULL,
	"moved" jsonb NOT NULL,
	"traceparent" text NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"published_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "outbox_leases" (
	"partition" smallint PRIMARY KEY NOT NULL,
	"owner" text NOT NULL,
	"leased_until" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "outbox_leases_partition" CHECK ("partition" between 0 and 15)
);
--> statement-breakpoint
CREATE TABLE "credentials" (
	"provider" text NOT NULL,
	"credential_hash" text NOT NULL,
	"player_id" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "credentials_provider_credential_hash_pk" PRIMARY KEY("provider","credential_hash")
);
--> statement-breakpoint
CREATE TABLE "players" (
	"player_id" text collate "C" PRIMARY KEY NOT NULL,
	"display_name" text NOT NULL,
	"avatar_url" text,
	"country" text,
	"language" text,
	"time_zone" text,
	"metadata" json DEFAULT '{}'::json NOT NULL,
	"epoch" integer DEFAULT 0 NOT NULL,
	"version" bigint NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "players_display_name" CHECK (char_length("players"."display_name") between 1 and 32),
	CONSTRAINT "players_avatar_url" CHECK (char_length("players"."avatar_url") <= 512),
	CONSTRAINT "players_country" CHECK (char_length("players"."country") = 2),
	CONSTRAINT "players_language" CHECK (char_length("players"."language") <= 35),
	CONSTRAINT "players_time_zone" CHECK (char_length("players"."time_zone") <= 64),
	CONSTRAINT "players_metadata" CHECK (octet_length("players"."metadata"::text) <= 8192)
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"session_id" text collate "C" PRIMARY KEY NOT NULL,
	"player_id" text collate "C" NOT NULL,
	"epoch" integer NOT NULL,
	"generation" integer NOT NULL,
	"token_hash" text NOT NULL,
	"used_at_ms" bigint[] NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "sessions_token_hash" CHECK (char_length("sessions"."token_hash") = 64),
	CONSTRAINT "sessions_used_at" CHECK (cardinality("sessions"."used_at_ms") <= 32)
);
--> statement-breakpoint
CREATE TABLE "currencies" (
	"code" text PRIMARY KEY NOT NULL,
	"cap" bigint NOT NULL,
	CONSTRAINT "currencies_cap" CHECK ("currencies"."cap" between 1 and 9007199254740991)
);
--> statement-breakpoint
CREATE TABLE "wallet_entries" (
	"player_id" text collate "C" NOT NULL,
	"transaction_id" text collate "C" NOT NULL,
	"currency" text NOT NULL,
	"amount" bigint NOT NULL,
	"balance_after" bigint NOT NULL,
	CONSTRAINT "wallet_entries_player_id_transaction_id_currency_pk" PRIMARY KEY("player_id","transaction_id","currency"),
	CONSTRAINT "wallet_entries_amount" CHECK ("wallet_entries"."amount" <> 0),
	CONSTRAINT "wallet_entries_balance" CHECK ("wallet_entries"."balance_after" >= 0)
);
--> statement-breakpoint
CREATE TABLE "wallet_transactions" (
	"transaction_id" text collate "C" PRIMARY KEY NOT NULL,
	"player_id" text collate "C" NOT NULL,
	"principal" text NOT NULL,
	"reference" text NOT NULL,
	"fingerprint" text NOT NULL,
	"reason" text NOT NULL,
	"answer" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "wallets" (
	"player_id" text collate "C" PRIMARY KEY NOT NULL,
	"balances" jsonb NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "wallets_not_negative" CHECK (not jsonb_path_exists("wallets"."balances", '$.* ? (@ < 0)'))
);
--> statement-breakpoint
ALTER TABLE "credentials" ADD CONSTRAINT "credentials_player_id_players_player_id_fk" FOREIGN KEY ("player_id") REFERENCES "public"."players"("player_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_player_id_players_player_id_fk" FOREIGN KEY ("player_id") REFERENCES "public"."players"("player_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "wallets" ADD CONSTRAINT "wallets_player_id_players_player_id_fk" FOREIGN KEY ("player_id") REFERENCES "public"."players"("player_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idempotency_claims_created" ON "idempotency_claims" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "outbox" USING btree ("partition","version","event_id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "outbox_published" ON "outbox" USING btree ("published_at") WHERE published_at is not null;--> statement-breakpoint
CREATE INDEX "sessions_player" ON "sessions" USING btree ("player_id");--> statement-breakpoint
CREATE UNIQUE INDEX "wallet_transactions_reference" ON "wallet_transactions" USING btree ("principal","reference");--> statement-breakpoint
CREATE INDEX "wallet_transactions_player" ON "wallet_transactions" USING btree ("player_id","transaction_id");--> statement-breakpoint
INSERT INTO "outbox_leases" ("partition", "owner", "leased_until") SELECT p, '', '-infinity' FROM generate_series(0, 15) p;
