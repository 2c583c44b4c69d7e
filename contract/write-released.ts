import { copyFile, readFile } from 'node:fs/promises'
import { describeBreaks, findBreaks } from './compatibility.ts'
import { currentPath, documentText, publishedFiles, releasedPath } from './write-documents.ts'

const read = async (path: URL) => JSON.parse(await readFile(path, 'utf8'))

/**
 * Why the checked-in documents must not become the released ones, for a person; undefined where nothing is against it. Copied
 * without this, a document that breaks a promise would take the promise away.
 */
const findObstacle = async (): Promise<string | undefined> => {
  for (const file of publishedFiles) {
    if ((await readFile(currentPath(file), 'utf8')) !== (await documentText(file)))
      return `contract/${file} has drifted; mend it with: npm run generate`
    const breaks = findBreaks[file]({
      released: await read(releasedPath(file)),
      current: await read(currentPath(file)),
    })
    if (breaks.length > 0) return describeBreaks(file, breaks)
  }
  const { version } = (await read(currentPath('openapi.json'))).info
  return version === (await read(releasedPath('openapi.json'))).info.version
    ? `${version} has been released already; raise the version in package.json, then: npm run generate`
    : undefined
}

/** `npm run released`, when a release is cut: its documents become what later ones are held against. */
const main = async (): Promise<void> => {
  const obstacle = await findObstacle()
  if (obstacle !== undefined) {
    console.error(obstacle)
    process.exitCode = 1
    return
  }
  for (const file of publishedFiles) await copyFile(currentPath(file), releasedPath(file))
  console.log(
    'contract/released holds the documents of this release: commit it, and raise the version for the next one',
  )
}

if (import.meta.main) await main()
