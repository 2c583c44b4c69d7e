import { readFile, writeFile } from 'node:fs/promises'
import { openApiDocument } from './openapi.ts'
import { routes } from './routes.ts'

/** Where the checked-in document is. */
export const openApiPath = new URL('./openapi.json', import.meta.url)

/** The document as it is checked in: of this table, under the version of the package. */
export const openApiText = async (): Promise<string> => {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  return `${JSON.stringify(openApiDocument(routes, version), null, 2)}\n`
}

if (import.meta.main) await writeFile(openApiPath, await openApiText())
