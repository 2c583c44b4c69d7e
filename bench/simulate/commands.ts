/**
 * Commands in one request of the edge's client to Upstash. A look-up: entry and version. A fill: entry, version, the version's life,
 * and how many keys there are. A raise: version and its life.
 */
export const commandsOf = { lookUps: 2, fills: 4, raises: 2 } as const

/** Of those of a fill, which write; all of a raise do, and none of a look-up. */
export const fillWrites = 3
