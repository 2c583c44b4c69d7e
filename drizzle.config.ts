import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    'audit-log',
    'content',
    'credentials',
    'dead-letters',
    'exposures',
    'heartbeat',
    'idempotency',
    'inbox',
    'keys',
    'operators',
    'outbox',
    'participations',
    'players',
    'revocations',
    'sessions',
    'wallet',
  ].map((feature) => `./db/${feature}.ts`),
  out: './db/migrations',
})
