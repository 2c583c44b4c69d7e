import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: [
    'audit-log',
    'credentials',
    'dead-letters',
    'heartbeat',
    'idempotency',
    'inbox',
    'keys',
    'operators',
    'outbox',
    'players',
    'revocations',
    'sessions',
    'wallet',
  ].map((feature) => `./db/${feature}.ts`),
  out: './db/migrations',
})
