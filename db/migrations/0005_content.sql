CREATE TABLE "content_drafts" (
	"kind" text PRIMARY KEY NOT NULL,
	"revision" bigint NOT NULL,
	"draft" text,
	"draft_updated_at" timestamp (3) with time zone,
	"draft_updated_by" text,
	"publish_at" timestamp (3) with time zone,
	"scheduled" text,
	"scheduled_by" text,
	"scheduled_note" text,
	CONSTRAINT "content_drafts_draft" CHECK (octet_length("content_drafts"."draft") <= 4194304),
	CONSTRAINT "content_drafts_scheduled" CHECK (octet_length("content_drafts"."scheduled") <= 4194304),
	CONSTRAINT "content_drafts_scheduled_note" CHECK (char_length("content_drafts"."scheduled_note") <= 500),
	CONSTRAINT "content_drafts_schedule_whole" CHECK (num_nulls("content_drafts"."publish_at", "content_drafts"."scheduled", "content_drafts"."scheduled_by", "content_drafts"."scheduled_note") in (0, 4))
);
--> statement-breakpoint
CREATE TABLE "content_versions" (
	"kind" text NOT NULL,
	"number" integer NOT NULL,
	"version" bigint NOT NULL,
	"hash" text NOT NULL,
	"document" text,
	"compiled" text NOT NULL,
	"author" text NOT NULL,
	"note" text NOT NULL,
	"rolled_back_to" integer,
	"published_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "content_versions_kind_number_pk" PRIMARY KEY("kind","number"),
	CONSTRAINT "content_versions_number" CHECK ("content_versions"."number" >= 1),
	CONSTRAINT "content_versions_hash" CHECK ("content_versions"."hash" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "content_versions_document" CHECK (octet_length("content_versions"."document") <= 4194304),
	CONSTRAINT "content_versions_compiled" CHECK (octet_length("content_versions"."compiled") <= 8388608),
	CONSTRAINT "content_versions_note" CHECK (char_length("content_versions"."note") <= 500)
);
--> statement-breakpoint
CREATE TABLE "exposures" (
	"experiment" text NOT NULL,
	"run" integer NOT NULL,
	"unit" text NOT NULL,
	"variant" text NOT NULL,
	"player_id" text collate "C" NOT NULL,
	"exposed_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "exposures_experiment_run_unit_pk" PRIMARY KEY("experiment","run","unit"),
	CONSTRAINT "exposures_unit" CHECK (char_length("exposures"."unit") between 1 and 256)
);
--> statement-breakpoint
CREATE TABLE "participations" (
	"player_id" text collate "C" NOT NULL,
	"run_id" text NOT NULL,
	"joined_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "participations_player_id_run_id_pk" PRIMARY KEY("player_id","run_id"),
	CONSTRAINT "participations_run_id" CHECK (char_length("participations"."run_id") <= 81)
);
--> statement-breakpoint
CREATE INDEX "content_versions_hash" ON "content_versions" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "exposures_player" ON "exposures" USING btree ("player_id");--> statement-breakpoint
CREATE INDEX "exposures_exposed_at" ON "exposures" USING btree ("exposed_at");--> statement-breakpoint
CREATE INDEX "participations_joined_at" ON "participations" USING btree ("joined_at");--> statement-breakpoint
INSERT INTO "content_drafts" ("kind", "revision") VALUES ('flags', 0), ('live-events', 0);
