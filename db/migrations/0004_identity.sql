CREATE TABLE "audit_log" (
	"audit_id" text collate "C" PRIMARY KEY NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"detail" jsonb NOT NULL,
	"request_id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "passwords" (
	"credential_hash" text PRIMARY KEY NOT NULL,
	"verifier" text NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "operators" (
	"operator_id" text collate "C" PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"secret_hash" text NOT NULL,
	"totp_secret_encrypted" text NOT NULL,
	"totp_step" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	CONSTRAINT "operators_name" UNIQUE("name"),
	CONSTRAINT "operators_secret_hash" UNIQUE("secret_hash"),
	CONSTRAINT "operators_name_length" CHECK (char_length("operators"."name") between 1 and 64)
);
--> statement-breakpoint
ALTER TABLE "credentials" DROP CONSTRAINT "credentials_player_id_players_player_id_fk";
--> statement-breakpoint
ALTER TABLE "credentials" ALTER COLUMN "player_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "scopes" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "operator_id" text collate "C";--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "credentials" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "players" ADD COLUMN "banned_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "players" ADD COLUMN "ban_reason" text;--> statement-breakpoint
ALTER TABLE "players" ADD COLUMN "delete_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "players" ADD COLUMN "deleted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "device_key" jsonb;--> statement-breakpoint
ALTER TABLE "currencies" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "audit_log_subject" ON "audit_log" USING btree ("subject","audit_id");--> statement-breakpoint
CREATE INDEX "audit_log_actor" ON "audit_log" USING btree ("actor","audit_id");--> statement-breakpoint
CREATE INDEX "credentials_player" ON "credentials" USING btree ("player_id") WHERE player_id is not null;--> statement-breakpoint
CREATE INDEX "players_delete_at" ON "players" USING btree ("delete_at") WHERE delete_at is not null;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_scopes" CHECK (cardinality("api_keys"."scopes") <= 32);--> statement-breakpoint
ALTER TABLE "credentials" ADD CONSTRAINT "credentials_provider" CHECK (char_length("credentials"."provider") <= 32);--> statement-breakpoint
ALTER TABLE "players" ADD CONSTRAINT "players_ban_reason" CHECK (char_length("players"."ban_reason") between 1 and 256);--> statement-breakpoint
UPDATE "api_keys" SET "scopes" = '{*}' WHERE "kind" = 'server';
