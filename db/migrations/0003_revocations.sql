CREATE TABLE "revocations" (
	"revoked_id" text collate "C" NOT NULL,
	"epoch" integer NOT NULL,
	"revoked_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "revocations_revoked_id_epoch_pk" PRIMARY KEY("revoked_id","epoch")
);
--> statement-breakpoint
CREATE INDEX "revocations_revoked_at" ON "revocations" USING btree ("revoked_at");