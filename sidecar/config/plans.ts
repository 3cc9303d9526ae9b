// The warm-up plans in force: the operator's warmup.yaml over the shipped ones, plan by plan.

import { readFileSync } from 'node:fs'

import { readPlans } from '@sluice/core/warmup/plan'
import type { Plans } from '@sluice/core/warmup/register'

let shipped: Plans | undefined

/** @throws ConfigError naming file, line and key */
export const plansWith = (file = 'warmup.yaml', operator?: string): Plans => {
  shipped ??= Object.fromEntries(
    readPlans('warmup.yaml', readFileSync(require.resolve('@sluice/core/data/warmup.yaml'), 'utf8')),
  )
  return operator === undefined ? shipped : { ...shipped, ...Object.fromEntries(readPlans(file, operator)) }
}
