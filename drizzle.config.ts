import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    'dead-letters',
    'heartbeat',
    'idempotency',
    'inbox',
    'keys',
    'outbox',
    'players',
    'revocations',
    'sessions',
    'wallet',
  ].map((feature) => `./db/${feature}.ts`),
  out: './db/migrations',
})
