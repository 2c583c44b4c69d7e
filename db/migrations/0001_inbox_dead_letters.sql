CREATE TABLE "dead_letters" (
	"subscription" text NOT NULL,
	"event_id" text NOT NULL,
	"attributes" json NOT NULL,
	"data" "bytea" NOT NULL,
	"reason" text NOT NULL,
	"attempts" integer NOT NULL,
	"filed_at" timestamp (3) with time zone NOT NULL,
	"redriven_at" timestamp (3) with time zone,
	CONSTRAINT "dead_letters_subscription_event_id_pk" PRIMARY KEY("subscription","event_id")
);
--> statement-breakpoint
CREATE TABLE "consumer_versions" (
	"consumer" text NOT NULL,
	"aggregate" text NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "consumer_versions_consumer_aggregate_pk" PRIMARY KEY("consumer","aggregate")
);
--> statement-breakpoint
CREATE TABLE "inbox" (
	"consumer" text NOT NULL,
	"event_id" text collate "C" NOT NULL,
	"received_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "inbox_consumer_event_id_pk" PRIMARY KEY("consumer","event_id")
);
--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "redriven_for" text;--> statement-breakpoint
CREATE INDEX "dead_letters_filed" ON "dead_letters" USING btree ("filed_at");--> statement-breakpoint
CREATE INDEX "inbox_received" ON "inbox" USING btree ("received_at");