import fc from 'fast-check'
import { expect, test } from 'vitest'
import { poolFault } from '#core/pools.ts'

const limits = { connectionsMax: 100, reserved: 3 }

test('pools fit as long as all instances together take no more than eight tenths of what a server has for them', () => {
  // 0.8 x 97 is 77.6: 77 connections fit, as 11 x 7, and 78 do not, as 6 x 13.
  expect(poolFault({ instancesMax: 11, poolMax: 5 }, limits, 'Postgres')).toBeUndefined()
  expect(poolFault({ instancesMax: 6, poolMax: 11 }, limits, 'Postgres')).toMatch(/= 78 connections, and .* = 77;/)
  // The very last: 0.8 x 100 is 80 connections, as 5 x 16.
  expect(poolFault({ instancesMax: 5, poolMax: 14 }, { connectionsMax: 103, reserved: 3 }, 'Postgres')).toBeUndefined()
})

test('pools that do not fit are told with every figure and with what to change', () => {
  expect(poolFault({ instancesMax: 10, poolMax: 16 }, limits, 'the read replica')).toBe(
    'the pools do not fit the read replica: INSTANCES_MAX 10 x (DATABASE_POOL 16 + 2) = 180 connections, ' +
      'and 0.8 x (max_connections 100 - 3 reserved) = 77; ' +
      'set DATABASE_POOL to 5, or INSTANCES_MAX to 4, or max_connections to 228',
  )
  // Nothing but a greater server helps a thousand instances.
  expect(poolFault({ instancesMax: 1_000, poolMax: 100 }, limits, 'Postgres')).toMatch(
    /; set max_connections to 127503$/,
  )
})

test('whatever does not fit does after any one of the changes that are told', () => {
  const plan = fc.record({
    instancesMax: fc.integer({ min: 1, max: 1_000 }),
    poolMax: fc.integer({ min: 2, max: 100 }),
  })
  const server = fc.record({
    connectionsMax: fc.integer({ min: 10, max: 5_000 }),
    reserved: fc.integer({ min: 0, max: 9 }),
  })
  fc.assert(
    fc.property(plan, server, (wanted, has) => {
      const fault = poolFault(wanted, has, 'Postgres')
      const told = (setting: string) => new RegExp(`${setting} to (\\d+)`).exec(fault ?? '')?.[1]
      const changes = [
        { ...wanted, ...has, poolMax: told('DATABASE_POOL') },
        { ...wanted, ...has, instancesMax: told('INSTANCES_MAX') },
        { ...wanted, ...has, connectionsMax: told('max_connections') },
      ]
      for (const { instancesMax, poolMax, connectionsMax, reserved } of changes) {
        if (fault === undefined || [instancesMax, poolMax, connectionsMax].includes(undefined)) continue
        const [plan, limits] = [
          { instancesMax: Number(instancesMax), poolMax: Number(poolMax) },
          { connectionsMax: Number(connectionsMax), reserved },
        ]
        expect(poolFault(plan, limits, 'Postgres')).toBeUndefined()
      }
    }),
  )
})
