/** A version of an app, taken apart: three numbers, and what stands behind a hyphen. */
export type Version = {
  readonly numbers: readonly [number, number, number]
  /** Identifiers of a pre-release; empty for a release. */
  readonly preRelease: readonly (string | number)[]
}

/** Longer than any that is meant seriously, and short enough that taking one apart costs nothing. */
const versionLengthMax = 64
/** Up to 15 digits, which every language holds exactly: builds are numbered by the minute, as 202611271800. */
const wholeNumber = /^(0|[1-9][0-9]{0,14})$/
/** Of digits alone it is a number, and must be one that counts as such. */
const identifier = /^(0|[1-9][0-9]{0,14}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)$/

/**
 * A semantic version (https://semver.org, 2.0.0); undefined for any other text. Stores also know `7` and `7.2`: what is missing
 * is zero. What stands behind a plus is left out, as it does not count in order.
 */
export const parseVersion = (text: string): Version | undefined => {
  if (text.length > versionLengthMax) return undefined
  const [withoutBuild = ''] = text.split('+', 1)
  const hyphenAt = withoutBuild.indexOf('-')
  const core = (hyphenAt < 0 ? withoutBuild : withoutBuild.slice(0, hyphenAt)).split('.')
  if (core.length > 3 || !core.every((part) => wholeNumber.test(part))) return undefined
  const [major = 0, minor = 0, patch = 0] = core.map(Number)
  const rest = hyphenAt < 0 ? [] : withoutBuild.slice(hyphenAt + 1).split('.')
  if (!rest.every((part) => identifier.test(part))) return undefined
  const preRelease = rest.map((part) => (wholeNumber.test(part) ? Number(part) : part))
  return { numbers: [major, minor, patch], preRelease }
}

/** The version as text, `2.4.0` or `2.4.0-beta.1`: what was left out of it, written out. */
export const writeVersion = ({ numbers, preRelease }: Version): string =>
  [numbers.join('.'), ...(preRelease.length > 0 ? [preRelease.join('.')] : [])].join('-')

/** Below zero where the first is the older one, above where it is the newer one, by section 11 of the standard. */
export const compareVersions = (a: Version, b: Version): number => {
  for (const index of [0, 1, 2] as const) {
    const difference = a.numbers[index] - b.numbers[index]
    if (difference !== 0) return difference
  }
  // A pre-release comes before its release.
  if (a.preRelease.length === 0 || b.preRelease.length === 0) return b.preRelease.length - a.preRelease.length
  for (let index = 0; index < Math.min(a.preRelease.length, b.preRelease.length); index++) {
    const difference = compareIdentifiers(a.preRelease[index] ?? 0, b.preRelease[index] ?? 0)
    if (difference !== 0) return difference
  }
  return a.preRelease.length - b.preRelease.length
}

/** Numbers by their value, and before text; text by its code units, which are ASCII. */
const compareIdentifiers = (a: string | number, b: string | number): number => {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : -1
  if (typeof b === 'number') return 1
  return a === b ? 0 : a < b ? -1 : 1
}
