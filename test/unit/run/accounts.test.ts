import { describe, expect, test } from 'vitest'

import { accountTable, differences, replyOf, type Entry } from '@sluice/run/demo/accounts'

const entry = (provider: string, source: string, reply: Entry['reply'], count: number): Entry => ({
  provider,
  source,
  reply,
  count,
})

describe('the accounts of a run', () => {
  test('are exact where both sides add up to the same, however they are cut', () => {
    const said = [entry('goggle', 'mk-1', 'accepted', 7)]
    const heard = [entry('goggle', 'mk-1', 'accepted', 3), entry('goggle', 'mk-1', 'accepted', 4)]
    expect(differences(said, heard)).toEqual([])
  })

  test('name every provider, source and kind on which they differ, also where one side knows nothing', () => {
    const said = [entry('goggle', 'mk-1', 'accepted', 7), entry('yonder', 'mk-1', 'refused for now', 1)]
    const heard = [entry('goggle', 'mk-1', 'accepted', 6), entry('goggle', 'mk-2', 'accepted', 1)]
    expect(differences(said, heard)).toEqual([
      { provider: 'goggle', source: 'mk-1', reply: 'accepted', said: 7, heard: 6 },
      { provider: 'goggle', source: 'mk-2', reply: 'accepted', said: 0, heard: 1 },
      { provider: 'yonder', source: 'mk-1', reply: 'refused for now', said: 1, heard: 0 },
    ])
  })

  test('are shown by provider, with both numbers where they differ', () => {
    const table = accountTable(
      [entry('goggle', 'mk-1', 'accepted', 7)],
      [entry('goggle', 'mk-1', 'accepted', 6), entry('pear', 'mk-1', 'accepted', 0)],
    )
    expect(table[1]).toMatch(/^goggle +7 \/ 6 +0 +0$/)
    expect(table[2]).toMatch(/^pear +0 +0 +0$/)
  })

  test('tell replies by their first digit; silence is none', () => {
    expect([250, 421, 554, 0, 354].map(replyOf)).toEqual([
      'accepted',
      'refused for now',
      'refused for good',
      undefined,
      undefined,
    ])
  })
})
