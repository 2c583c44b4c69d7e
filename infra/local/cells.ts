/** A cell of the local stack. */
export type LocalCell = {
  readonly cell: string
  /** The continents, as Cloudflare names them, whose callers are nearer to it than to any other cell of the stack. */
  readonly near: readonly string[]
}

/** Something of each cell, that of the control cell first. */
export type InCells<Own> = readonly [Own, ...Own[]]

/** Does the work in all cells at once. */
export const inCells = <Own, Result>(
  [control, ...others]: InCells<Own>,
  work: (own: Own) => Promise<Result>,
): Promise<InCells<Result>> => Promise.all([work(control), ...others.map(work)])

/** The same as the contract's, of which this folder knows nothing: two to six letters and a number. */
const cellPattern = /^[a-z]{2,6}[0-9]{1,2}$/

/** Each takes a Postgres, a Redis and a core, about 300 MB of memory; nearness below has nobody for a sixth. */
const cellsMax = 5

/**
 * Which cell a continent's callers are nearest to: places in the list of cells, of which the first that there is counts. So
 * one cell has all; two are Europe with the old world, and the Americas; a third takes Asia and Oceania, a fourth South
 * America, a fifth Oceania.
 */
const nearness: Readonly<Record<string, readonly number[]>> = {
  EU: [0],
  AF: [0],
  AS: [2, 0],
  OC: [4, 2, 0],
  AN: [0],
  NA: [1, 0],
  SA: [3, 1, 0],
}

/**
 * The cells of a list such as `eu1,us1`, one to five codes.
 * @throws Error that names what is wrong with the list
 */
export const parseLocalCells = (list: string): InCells<LocalCell> => {
  const codes = list.split(',')
  for (const code of codes)
    if (!cellPattern.test(code))
      throw new Error(
        `--cells: '${code}' is not the code of a cell, which is two to six letters and a number, as eu1 is`,
      )
  const repeated = codes.find((code, place) => codes.indexOf(code) !== place)
  if (repeated !== undefined) throw new Error(`--cells: ${repeated} stands there twice`)
  if (codes.length > cellsMax) throw new Error(`--cells: ${codes.length} cells are more than ${cellsMax}`)
  const [first = '', ...others] = codes
  const nearTo = (place: number) =>
    Object.keys(nearness).filter((continent) => placeOf(continent, codes.length) === place)
  return [{ cell: first, near: nearTo(0) }, ...others.map((cell, index) => ({ cell, near: nearTo(index + 1) }))]
}

const placeOf = (continent: string, count: number) => nearness[continent]?.find((place) => place < count)
