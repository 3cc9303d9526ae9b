import { expect, test } from 'vitest'

import { localShare } from '@sluice/core/admission/share'

test.each([
  [20, 4, 5],
  [20, 3, 6],
  [2, 8, 1],
  [10, 0, 10],
  [1, 1, 1],
])('a limit of %i over %i workers is %i for each', (limit, workers, share) => {
  expect(localShare(limit, workers)).toBe(share)
})
