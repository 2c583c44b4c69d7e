/** What a server key can be allowed, in words: one line a scope. A route with access `server` names the one that it takes. */
export const scopes = {
  'wallet:write': "change players' balances",
} as const

export type Scope = keyof typeof scopes

/** Of a key that may do everything, also what later releases add. */
export const everyScope = '*'

/** Whether a key can have it. */
export const isKeyScope = (text: string): boolean => text === everyScope || Object.hasOwn(scopes, text)

/** What an operator may do, from the least to the most: each role may also do what those before it may. */
export const roles = ['viewer', 'editor', 'publisher', 'admin'] as const

export type Role = (typeof roles)[number]

export const isRole = (text: unknown): text is Role => roles.some((role) => role === text)

/** Whether a role may do what `least` may. */
export const reaches = (role: Role, least: Role): boolean => roles.indexOf(role) >= roles.indexOf(least)
