import fc from 'fast-check'
import { expect, test } from 'vitest'

import { Fifo } from '@sluice/core/admission/fifo'

test('behaves as an array does, whatever is pushed, shifted and drained', () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 400 }).map((count) => ({ push: count })) },
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 400 }).map((count) => ({ shift: count })) },
    { weight: 1, arbitrary: fc.constant({ drain: true as const }) },
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const fifo = new Fifo<number>()
      let model: number[] = []
      let next = 0
      for (const one of actions) {
        if ('push' in one) {
          for (let n = 0; n < one.push; n++) {
            fifo.push(next)
            model.push(next++)
          }
        } else if ('shift' in one) {
          for (let n = 0; n < one.shift; n++) expect(fifo.shift()).toBe(model.shift())
        } else {
          expect(fifo.drain()).toEqual(model)
          model = []
        }
        expect(fifo.size).toBe(model.length)
        expect(fifo.peek()).toBe(model[0])
      }
    }),
    { numRuns: 200 },
  )
})
