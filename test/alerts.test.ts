import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { metrics } from '#core/metrics.ts'
import type { CollectedPoint } from '#infra/local/collector.ts'
import { createAlerts, type Rule, readRules } from './alerts.ts'

/** The rules of infra/alerts.json, over figures that a test makes up. The clock is held. */

const rules = readRules()
/** As a core exports. */
const intervalMs = 15_000

const readDoc = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')

test('each rule names a metric of the core, attributes that it has, and a part of the runbook that there is', () => {
  const observability = readDoc('observability.md').split('\n')
  const runbook = readDoc('runbooks/alerts.md')
  const names: readonly string[] = Object.values(metrics).map(({ name }) => name)
  for (const { name, metric, attributes, runbook: place } of rules) {
    expect(names, name).toContain(metric)
    const row = observability.find((line) => line.startsWith(`| \`${metric}\` |`)) ?? ''
    for (const attribute of Object.keys(attributes))
      expect(row, `${attribute} of ${metric}`).toContain(`\`${attribute}\``)
    expect(place).toBe(`docs/runbooks/alerts.md#${name}`)
    expect(runbook, name).toContain(`\n## ${name}\n`)
  }
  expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length)
  expect([...runbook.matchAll(/^## (.+)$/gm)].map(([, name]) => name).sort()).toEqual(
    rules.map(({ name }) => name).sort(),
  )
})

/** One series that a rule looks at, and another that it must not take for it. */
const createScene = (rule: Rule, scale = 1) => {
  const alerts = createAlerts([rule], scale)
  let nowMs = 0
  let value = 0
  const attributes = Object.fromEntries(
    Object.entries(rule.attributes).map(([name, wanted]) => [name, wanted.replace('*', 'us1')]),
  )
  const point = (of: Partial<CollectedPoint> = {}): CollectedPoint => ({
    metric: rule.metric,
    unit: '1',
    attributes,
    value,
    sum: undefined,
    resource: { 'service.instance.id': 'one' },
    ...of,
  })
  const pass = (ms: number) => {
    nowMs += ms
  }
  const { condition } = rule
  /** An export, a while after the one before, that is as well as a rule allows or just beyond that. */
  const send = (how: 'well' | 'badly', of: Partial<CollectedPoint> = {}) => {
    pass(intervalMs * scale)
    const isBad = how === 'badly'
    if ('below' in condition) value = isBad ? condition.below - 1 : condition.below
    if ('above' in condition) value = isBad ? condition.above * 1.01 + 0.01 : condition.above
    if ('perSecondAbove' in condition) value += (condition.perSecondAbove * intervalMs * (isBad ? 1.01 : 1)) / 1_000
    alerts.take([point(of)], nowMs)
  }
  return { send, pass, isFiring: () => alerts.firing(nowMs).length > 0 }
}

const isOfAbsence = ({ condition }: Rule) => 'absentSeconds' in condition

test('each rule fires when its condition has held for as long as it says, not before, and no longer than it holds', () => {
  for (const scale of [1, 1 / 15]) {
    for (const rule of rules.filter((one) => !isOfAbsence(one))) {
      const { send, pass, isFiring } = createScene(rule, scale)
      for (let at = 0; at < 10; at++) send('well')
      expect(isFiring(), `${rule.name} while all is well`).toBe(false)
      send('badly')
      if (rule.forSeconds > 0) {
        expect(isFiring(), `${rule.name} at once`).toBe(false)
        pass(rule.forSeconds * 1_000 * scale - 1)
        expect(isFiring(), `${rule.name} too early`).toBe(false)
        pass(1)
      }
      expect(isFiring(), rule.name).toBe(true)
      send('well')
      expect(isFiring(), `${rule.name} afterwards`).toBe(false)
    }
  }
})

test('a condition that ends in between begins its time anew', () => {
  for (const rule of rules.filter(({ forSeconds }) => forSeconds > 0)) {
    const { send, pass, isFiring } = createScene(rule)
    send('well')
    send('badly')
    send('well')
    send('badly')
    pass(rule.forSeconds * 1_000 - 1)
    expect(isFiring(), rule.name).toBe(false)
  }
})

test('a rule of absence fires once nothing has come for as long as it says, from whichever instance, and not before', () => {
  const ofAbsence = rules.filter(isOfAbsence)
  expect(ofAbsence.map(({ name }) => name)).toEqual(['core-silent'])
  for (const rule of ofAbsence) {
    const { send, pass, isFiring } = createScene(rule)
    const absentMs = 'absentSeconds' in rule.condition ? rule.condition.absentSeconds * 1_000 : 0
    send('well')
    for (let at = 0; at < 10; at++) send('well', { resource: { 'service.instance.id': 'two' } })
    pass(absentMs - 1)
    expect(isFiring(), rule.name).toBe(false)
    pass(1)
    expect(isFiring(), rule.name).toBe(true)
    send('well')
    expect(isFiring(), rule.name).toBe(false)
  }
})

test('a rule looks at no other metric, and at no series that says something else', () => {
  for (const rule of rules.filter((one) => !isOfAbsence(one))) {
    const others: Partial<CollectedPoint>[] = [{ metric: 'perigee.other' }]
    for (const name of Object.keys(rule.attributes))
      others.push({ attributes: { ...rule.attributes, [name]: 'other' } })
    for (const other of others) {
      const { send, pass, isFiring } = createScene(rule)
      for (let at = 0; at < 10; at++) send('badly', other)
      pass(120_000)
      expect(isFiring(), `${rule.name} by ${JSON.stringify(other)}`).toBe(false)
    }
  }
})

test('series are looked at each by itself: what one instance counts is not taken for growth of another', () => {
  for (const rule of rules.filter(({ condition }) => 'perSecondAbove' in condition)) {
    const { send, pass, isFiring } = createScene(rule)
    send('well')
    for (let at = 0; at < 10; at++) send('badly', { resource: { 'service.instance.id': `${at}` } })
    pass(120_000)
    expect(isFiring(), rule.name).toBe(false)
  }
})
