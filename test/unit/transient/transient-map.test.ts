// A Map for what comes and goes: the same answers as a plain one, and deleted values that nothing leads to any more.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { TransientMap } from '@sluice/core/transient/transient-map'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const key = fc.constantFrom('a', 'b', 'c', 'd')
const operation = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: fc.integer() }),
  fc.record({ kind: fc.constant('delete' as const), key }),
)

test('answers as a Map does, in the order of arrival', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const ours = new TransientMap<string, { value: number }>()
      const plain = new Map<string, { value: number }>()
      for (const one of operations) {
        if (one.kind === 'set') {
          const held = { value: one.value }
          ours.set(one.key, held)
          plain.set(one.key, held)
        } else {
          expect(ours.delete(one.key)).toBe(plain.get(one.key))
          plain.delete(one.key)
        }
        expect(ours.size).toBe(plain.size)
      }
      expect([...ours]).toEqual([...plain])
      for (const name of ['a', 'b', 'c', 'd']) {
        expect(ours.get(name)).toBe(plain.get(name))
        expect(ours.has(name)).toBe(plain.has(name))
      }
    }),
  )
})

test('what is deleted while it is read is left out', () => {
  const map = new TransientMap<string, object>()
  for (const name of ['a', 'b', 'c']) map.set(name, {})
  const seen: string[] = []
  for (const [name] of map) {
    seen.push(name)
    map.delete('b')
  }
  expect(seen).toEqual(['a', 'c'])
})

/** Messages that come and go, 20 at a time, after a full collection; how much of them young collections keep. MB */
const keptOf = (map: { set(key: string, value: object): unknown; delete(key: string): unknown }): number => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void
  let sequence = 0
  const pass = (count: number): void => {
    for (let done = 0; done < count; done++) {
      sequence++
      map.set(String(sequence), { lines: Array.from({ length: 500 }, (_, line) => ({ line })) })
      map.delete(String(sequence - 20))
    }
  }
  pass(200)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let round = 0; round < 40; round++) {
    pass(20)
    collect({ type: 'minor' })
  }
  return (process.memoryUsage().heapUsed - before) / 1e6
}

test('young collections free what has gone, which a plain Map keeps', () => {
  expect(keptOf(new TransientMap<string, object>())).toBeLessThan(2)
  expect(keptOf(new Map<string, object>())).toBeGreaterThan(4)
})
