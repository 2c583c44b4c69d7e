import { type Cell, cellOf, type PlayerId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import type { CellAddress } from './environment.ts'
import type { Routed } from './exchange.ts'

/** The cells of a deployment, and which of them a request goes to. */
export type Cells = {
  addressOf(cell: Cell): CellAddress
  /** @throws Fault `not_found` for an id, or a key's home, of a cell that does not exist */
  choose(exchange: Routed): Cell
  /** The cell of that name; undefined when this deployment has none. */
  find(name: string): Cell | undefined
  /** For a request without a home. */
  nearest(exchange: Pick<Routed, 'request'>): Cell
  /** Another one that can do what any can, the control cell if it may be; undefined where there is but one. */
  besides(cell: Cell): Cell | undefined
  /** All of them. */
  readonly names: readonly Cell[]
}

/** @throws Error when the control cell is not among the cells */
export const createCells = (cells: ReadonlyMap<Cell, CellAddress>, control: Cell): Cells => {
  if (!cells.has(control)) throw new Error(`CONTROL_CELL names ${control}, which is not among CELLS`)

  const addressOf = (cell: Cell) => {
    const address = cells.get(cell)
    if (!address) throw new Fault('not_found')
    return address
  }
  const find = (name: string) => [...cells.keys()].find((known) => known === name)
  const named = (name: string) => {
    const cell = find(name)
    if (!cell) throw new Fault('not_found')
    return cell
  }
  const byContinent = new Map<unknown, Cell>()
  for (const [cell, { near }] of cells)
    for (const continent of near) if (!byContinent.has(continent)) byContinent.set(continent, cell)
  // Where there is but one cell the look out of the language, into what the platform knows, is spared.
  const nearest: Cells['nearest'] = ({ request }) =>
    cells.size === 1 ? control : (byContinent.get(request.cf?.continent) ?? control)
  return {
    besides: (cell) => (cell === control ? [...cells.keys()].find((other) => other !== cell) : control),
    names: [...cells.keys()],
    addressOf,
    find,
    nearest,
    choose: (exchange) => {
      const { route, params, principal } = exchange
      switch (route.cell) {
        case 'control':
          return control
        case 'nearest':
          return exchange.homeCell === undefined ? nearest(exchange) : named(exchange.homeCell)
        case 'caller':
          return named(principal.kind === 'player' ? cellOf(principal.playerId) : control)
        case 'targets':
          throw new Error(`${route.path} has no one cell: its body is split`)
        case 'target':
          // The path was parsed with the route's schema, whose ids carry their cell.
          return named(cellOf(params.playerId as PlayerId))
      }
    },
  }
}
