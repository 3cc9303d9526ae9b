// An attempt is settled once, with one result for each recipient, and a lease never outlives an attempt that ended
// before anything was tried.

import { expect, test } from 'vitest'

import { Attempts } from '../../../plugins/host/attempt/attempts'
import { noEvidence } from '../../../plugins/host/attempt/evidence'
import type { HMail, RecipientResult, Route, Settlement } from '../../../plugins/host/contract'

const mail = (uuid: string, ...addresses: string[]): HMail =>
  ({
    filename: uuid,
    num_failures: 2,
    todo: { uuid, rcpt_to: addresses.map((address) => ({ address })) },
  }) as unknown as HMail

const result = (address: string, kind: RecipientResult['kind'] = 'delivered'): RecipientResult => ({
  address,
  kind,
  evidence: noEvidence,
})

const open = () => {
  const settled: Settlement[] = []
  const complaints: unknown[] = []
  const attempts = new Attempts(
    () => 1000,
    (thrown) => complaints.push(thrown),
  )
  attempts.onSettled((one) => settled.push(one))
  return { attempts, settled, complaints }
}

test('the last result settles it, and what comes later is ignored', () => {
  const { attempts, settled } = open()
  const item = mail('m', 'a@x.test', 'b@x.test')
  expect(attempts.begin(item).number).toBe(3)
  attempts.result(item, result('a@x.test'))
  attempts.result(item, result('a@x.test', 'bounced'))
  attempts.result(item, result('stranger@x.test'))
  expect(settled).toEqual([])
  attempts.result(item, result('b@x.test', 'deferred'))
  attempts.result(item, result('b@x.test'))
  expect(settled).toHaveLength(1)
  expect(settled[0]?.recipients.map(({ address, kind }) => [address, kind])).toEqual([
    ['a@x.test', 'delivered'],
    ['b@x.test', 'deferred'],
  ])
  expect(attempts.size).toBe(0)
})

test('items split off the mail belong to its attempt', () => {
  const { attempts, settled } = open()
  const item = mail('m', 'a@x.test', 'b@x.test')
  attempts.begin(item)
  const split = mail('m', 'b@x.test')
  expect(attempts.of(split)?.hmail).toBe(item)
  attempts.result(item, result('a@x.test'))
  attempts.result(split, result('b@x.test', 'bounced'))
  expect(settled).toHaveLength(1)
})

test('an address that stands twice has two results', () => {
  const { attempts, settled } = open()
  const item = mail('m', 'a@x.test', 'a@x.test')
  attempts.begin(item)
  attempts.result(item, result('a@x.test'))
  expect(settled).toEqual([])
  attempts.result(item, result('a@x.test'))
  expect(settled[0]?.recipients).toHaveLength(2)
})

test('an attempt that is forgotten, or begun anew, gives its lease back and settles nothing', () => {
  const { attempts, settled } = open()
  const item = mail('m', 'a@x.test')
  let released = 0
  const route = { lease: { id: '1', release: () => released++ } } as unknown as Route
  attempts.begin(item).route = route
  attempts.begin(item)
  expect(released).toBe(1)
  attempts.forget(item)
  attempts.forget(item)
  expect(attempts.of(item)).toBeUndefined()
  expect([settled.length, attempts.size]).toEqual([0, 0])
})

test('a listener that throws stops nobody', () => {
  const { attempts, complaints } = open()
  const seen: string[] = []
  attempts.onSettled(() => {
    throw new Error('broken')
  })
  attempts.onSettled(({ attempt }) => seen.push(attempt.hmail.todo.uuid))
  const item = mail('m', 'a@x.test')
  attempts.begin(item)
  attempts.result(item, result('a@x.test'))
  expect(seen).toEqual(['m'])
  expect(complaints).toHaveLength(1)
})
