import type { ContentPointers } from '#contract/content.ts'
import type { Clients } from '#contract/platform.ts'
import type { DocumentName } from '#contract/route.ts'
import type { Db } from '#db/client.ts'
import { listLive } from '#db/content.ts'
import { listApiKeys } from '#db/keys.ts'
import { revocationsOf } from './revocation.ts'
import { jwksOf } from './signing-keys.ts'

/** What edges answer from by themselves; an edge asks for each every few seconds and keeps the last one that it got. */
export const documents: Record<DocumentName, (db: Db, now: Date) => Promise<unknown>> = {
  jwks: jwksOf,
  clients: async (db): Promise<Clients> => {
    const keys = await listApiKeys(db)
    const live = keys.filter((key) => key.kind === 'publishable' && key.revokedAt === null)
    return { clients: live.map(({ keyId, hash, origins, homeCell }) => ({ keyId, hash, origins, homeCell })) }
  },
  revocations: revocationsOf,
  content: async (db): Promise<ContentPointers> =>
    Object.fromEntries(
      (await listLive(db)).map(({ kind, number, version, hash }) => [kind, { number, version, hash }]),
    ),
}

export const isDocumentName = (name: string): name is DocumentName => Object.hasOwn(documents, name)
