import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { bundleForTests } from './services.ts'

let own: Promise<string> | undefined

/**
 * The folder with the Worker as a deployment would upload it. A whole run bundles it once, at its start; a run for a mutant of what it
 * is made from does when a test first asks for it, which many a test of the edge's parts never does.
 */
export const edgeBundle = async (): Promise<string> => {
  const bundled = inject('edgeBundle')
  if (bundled !== null) return bundled
  own ??= mkdtemp(join(inject('scratchFolder'), 'edge-')).then(bundleForTests)
  return own
}
