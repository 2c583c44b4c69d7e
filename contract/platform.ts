import * as z from 'zod'
import { cellSchema } from './ids.ts'
import { defineRoute, localAsset, localDocument } from './route.ts'

/** The public keys that access tokens are verified with. @see RFC 7517 */
export const jwksSchema = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('EC'),
        crv: z.literal('P-256'),
        x: z.string(),
        y: z.string(),
        kid: z.string(),
        alg: z.literal('ES256'),
        use: z.literal('sig'),
      }),
    ),
  })
  .meta({ id: 'Jwks' })
export type Jwks = z.infer<typeof jwksSchema>

/**
 * The client apps that may call: hashes of publishable keys, the web origins that each allows (`*`: any), and the cell that those who
 * sign up with it are at home in; the nearest one where that is null or absent.
 */
export const clientsSchema = z.object({
  clients: z.array(
    z.object({
      keyId: z.string(),
      hash: z.string(),
      origins: z.array(z.string()),
      homeCell: cellSchema.nullish(),
    }),
  ),
})
export type Clients = z.infer<typeof clientsSchema>

/**
 * What a cell has revoked while a token of then may still live: sessions that ended, and of each player the lowest epoch whose
 * tokens still hold.
 */
export const revocationsSchema = z.object({
  sessions: z.array(z.string()),
  players: z.array(z.object({ playerId: z.string(), epoch: z.int().nonnegative() })),
})
export type Revocations = z.infer<typeof revocationsSchema>

export const getJwks = defineRoute({
  method: 'GET',
  path: '/.well-known/jwks.json',
  summary: 'Read the keys that verify access tokens',
  access: 'public',
  cell: 'nearest',
  delivery: localDocument('jwks'),
  status: 200,
  answer: jwksSchema,
  errors: [],
})

export const getOpenApi = defineRoute({
  method: 'GET',
  path: '/openapi.json',
  summary: 'Read this description of the API (OpenAPI 3.1)',
  access: 'public',
  cell: 'nearest',
  delivery: localAsset('/openapi.json'),
  status: 200,
  answer: 'application/json',
  errors: [],
})

export const getEventSchemas = defineRoute({
  method: 'GET',
  path: '/events.json',
  summary: 'Read the schema of every event that leaves (JSON Schema 2020-12)',
  access: 'public',
  cell: 'nearest',
  delivery: localAsset('/events.json'),
  status: 200,
  answer: 'application/json',
  errors: [],
})

export const getDocs = defineRoute({
  method: 'GET',
  path: '/docs',
  summary: 'Browse the API as a page',
  access: 'public',
  cell: 'nearest',
  delivery: localAsset('/docs/'),
  status: 200,
  answer: 'text/html',
  errors: [],
})

export const getDocsFile = defineRoute({
  method: 'GET',
  path: '/docs/{file}',
  summary: 'Read a file of the API page',
  access: 'public',
  cell: 'nearest',
  delivery: localAsset('/docs/{file}'),
  params: z.object({
    file: z
      .string()
      .max(64)
      .regex(/^[\w.-]+$/),
  }),
  status: 200,
  answer: 'application/octet-stream',
  errors: ['not_found'],
})

export const getErrorPage = defineRoute({
  method: 'GET',
  path: '/docs/errors/{file}',
  summary: 'Read what an error code means and what to do',
  access: 'public',
  cell: 'nearest',
  delivery: localAsset('/docs/errors/{file}'),
  params: z.object({
    file: z
      .string()
      .max(64)
      .regex(/^[a-z_]+\.md$/),
  }),
  status: 200,
  answer: 'text/markdown',
  errors: ['not_found'],
})
