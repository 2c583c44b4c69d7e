import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { cellSchema } from '#contract/ids.ts'
import { terraformContract, terraformContractPath } from '#core/commands/terraform-contract.ts'
import { settings } from '#core/config.ts'
import { subscriptionsOf } from '#core/subscriptions.ts'

test('what Terraform knows of topics, subscriptions, settings, addresses and events is what the code says', async () => {
  const text = await readFile(terraformContractPath, 'utf8')
  expect(text === terraformContract(), 'terraform/contract.json has drifted; mend it with: npm run generate').toBe(true)
})

test('a setting that nobody is to see is one that a core reads', () => {
  const known = [...settings.required, ...settings.optional]
  expect(settings.secret.filter((name) => !known.includes(name))).toEqual([])
  expect(known.filter((name) => /TOKEN|SECRET|PASSWORD|MASTER|_KEYS$|DATABASE_.*URL/.test(name)).toSorted()).toEqual(
    [...settings.secret].toSorted(),
  )
})

test('a cell that follows another takes what it is told; the control cell is told nothing', () => {
  const [control, follower] = [cellSchema.parse('eu1'), cellSchema.parse('us1')]
  expect(subscriptionsOf(control, control)).toEqual(['invalidate', 'move-belongings', 'dead-letters'])
  expect(subscriptionsOf(follower, control)).toEqual([
    'invalidate',
    'move-belongings',
    'move-credentials',
    'replicate',
    'dead-letters',
  ])
})
