import { readFile, writeFile } from 'node:fs/promises'
import { eventSchemasDocument } from './event-schemas.ts'
import { events } from './events.ts'
import type { Json } from './json-schema.ts'
import { openApiDocument } from './openapi.ts'
import { routes } from './routes.ts'

/** What every deployment publishes about itself, by the names of the files: the API, and the events. */
export const publishedFiles = ['openapi.json', 'events.json'] as const
export type PublishedFile = (typeof publishedFiles)[number]

/** Where a document is checked in. */
export const currentPath = (file: PublishedFile) => new URL(file, import.meta.url)

/** Where the same document is kept as the last release published it. */
export const releasedPath = (file: PublishedFile) => new URL(`released/${file}`, import.meta.url)

/** The text of a document as it is checked in: of these tables, under the version of the package. */
export const documentText = async (file: PublishedFile): Promise<string> => {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  return `${JSON.stringify(documentOf[file](version), null, 2)}\n`
}

const documentOf: Record<PublishedFile, (version: string) => Json> = {
  'openapi.json': (version) => openApiDocument(routes, version),
  'events.json': () => eventSchemasDocument(events),
}

if (import.meta.main) for (const file of publishedFiles) await writeFile(currentPath(file), await documentText(file))
