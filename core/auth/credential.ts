import { comparableEmail } from '#contract/credentials.ts'
import { sha256 } from '#core/secrets.ts'
import type { Credential } from '#db/credentials.ts'

// What is hashed begins with a provider's name, which has no colon: no two credentials are the same text.

export const deviceCredentialOf = (deviceId: string): Credential => ({
  provider: 'device',
  credentialHash: sha256('device:', deviceId),
})

export const emailCredentialOf = (email: string): Credential => ({
  provider: 'email',
  credentialHash: sha256('email:', comparableEmail(email)),
})

/** @param subject whom the issuer that a deployment calls `provider` means */
export const subjectCredentialOf = (provider: string, subject: string): Credential => ({
  provider,
  credentialHash: sha256(provider, ':', subject),
})
