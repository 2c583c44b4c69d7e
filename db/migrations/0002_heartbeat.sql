CREATE TABLE "heartbeat" (
	"id" smallint PRIMARY KEY NOT NULL,
	"beat_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "heartbeat_one_row" CHECK ("heartbeat"."id" = 1)
);
