import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

import { readPlans } from '@sluice/core/warmup/plan'

const file = path.join(__dirname, '../../../core/data/warmup.yaml')
const plans = readPlans(file, readFileSync(file, 'utf8'))

describe('the shipped warm-up plans', () => {
  it('are three, each with its source', () => {
    expect([...plans.keys()]).toEqual(['sendgrid', 'sparkpost', 'conservative'])
    for (const plan of plans.values()) expect(plan.source).toContain('https://')
  })

  it('have the length and the ends that were published', () => {
    const sendgrid = plans.get('sendgrid')?.stages ?? []
    expect([sendgrid.length, sendgrid[0], sendgrid[12], sendgrid.at(-1)]).toEqual([42, 480, 24_000, 19_601_056 * 24])
    const sparkpost = plans.get('sparkpost')?.stages ?? []
    expect([sparkpost.length, sparkpost[0], sparkpost[13], sparkpost.at(-1)]).toEqual([29, 200, 250_000, 10_000_000])
    const conservative = plans.get('conservative')?.stages ?? []
    expect([conservative[0], conservative.at(-1)]).toEqual([50, 50_000])
    // Doubling every third day.
    for (let stage = 3; stage < conservative.length; stage++) {
      expect((conservative[stage] ?? 0) / (conservative[stage - 3] ?? 1)).toBeCloseTo(2, 0)
    }
  })
})

describe("an operator's plans", () => {
  const yaml = (stages: string): string =>
    `plans:\n  own:\n    label: x\n    source: mine\n    scope: lane\n    per: day\n    stages: ${stages}\n`

  it('have the gate of the file, or its defaults', () => {
    expect(readPlans('w.yaml', yaml('[10, 20]')).get('own')?.gate.enough).toBe(0.75)
    expect(readPlans('w.yaml', `gate: {enough: 0.5}\n${yaml('[10, 20]')}`).get('own')?.gate.enough).toBe(0.5)
  })

  it.each([
    ['[10, 20, 15]', 'w.yaml:7: plans.own.stages: every stage'],
    ['[]', 'w.yaml:7: plans.own.stages:'],
    ['[0.5]', 'w.yaml:7: plans.own.stages'],
  ])('with stages %s are refused, naming file, line and key', (stages, complaint) => {
    expect(() => readPlans('w.yaml', yaml(stages))).toThrow(complaint)
  })
})
