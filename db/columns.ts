import { customType, timestamp } from 'drizzle-orm/pg-core'

/** A moment, to the millisecond: what the API shows is what is stored. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' })

/**
 * An id, stored as it is spoken (`ply_eu1_01jd…`), in the C collation: compared byte by byte, ordered by time.
 */
export const id = <Id extends string>(name: string) =>
  customType<{ data: Id; driverData: string }>({ dataType: () => 'text collate "C"' })(name)

/** Bytes as they are. */
export const bytes = (name: string) =>
  customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' })(name)

/** SQL of milliseconds since 1970 as what a `moment` stores. */
export const momentOf = (parameter: string) => `to_timestamp(${parameter}::bigint / 1000.0)::timestamptz(3)`
