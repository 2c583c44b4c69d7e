/** Every table, for the generator of migrations; nothing else imports this file. */
export { claims } from './idempotency.ts'
export { apiKeys, signingKeys } from './keys.ts'
export { outbox, outboxLeases } from './outbox.ts'
export { credentials, players } from './players.ts'
export { sessions } from './sessions.ts'
export { currencies, walletEntries, walletTransactions, wallets } from './wallet.ts'
