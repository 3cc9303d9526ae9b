import { describe, expect, it } from 'vitest'

import { errorCodes, SluiceError, type ErrorCode } from '@sluice/core/errors'
import { problemOf, problemSchema, RequestError } from '@sluice/sidecar/http/problem'
import { momentOf, momentShape } from '@sluice/sidecar/http/routes/outcomes'
import { endOf } from '@sluice/sidecar/http/shapes'
import { duration } from '@sluice/sidecar/cli/commands'
import { sayTable } from '@sluice/sidecar/cli/table'

const now = Date.parse('2026-11-21T12:00:00Z')

describe('a problem', () => {
  it('has a status of its own kind for every code', () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      const problem = problemOf(new SluiceError(code, 'x'), 'r1')
      expect(problemSchema.parse(problem)).toEqual(problem)
      if (code.startsWith('SLUICE_HTTP_') && code !== 'SLUICE_HTTP_LISTEN') expect(problem.status).toBeLessThan(500)
    }
  })

  it('tells nothing of a fault of ours', () => {
    const problem = problemOf(new TypeError('secret internals'), 'r1')
    expect(problem).toMatchObject({ status: 500, code: 'SLUICE_INTERNAL', message: 'see the log' })
    expect(JSON.stringify(problem)).not.toContain('secret')
  })

  it('names every key that is wrong', () => {
    const details = [
      { key: 'weight', message: 'is missing' },
      { key: '', message: 'all of it' },
    ]
    const problem = problemOf(new RequestError('SLUICE_HTTP_BODY', details), 'r1')
    expect(problem).toMatchObject({ details, message: 'weight: is missing; all of it' })
  })
})

describe('a moment', () => {
  it.each([
    ['15m', now - 900_000],
    ['2h', now - 7_200_000],
    ['7d', now - 7 * 86_400_000],
    ['999999d', 0],
    ['1795262400000', 1_795_262_400_000],
    ['2026-11-21T11:00:00Z', now - 3_600_000],
    ['2026-11-21', now - 12 * 3_600_000],
  ])('%s', (text, at) => {
    expect(momentShape.safeParse(text).success).toBe(true)
    expect(momentOf(text, now)).toBe(at)
  })

  it.each(['yesterday', '-5m', '5 m', '', '1795262400000000000', '5y'])('%s is none', (text) => {
    expect(momentShape.safeParse(text).success).toBe(false)
  })
})

describe('the end of a term', () => {
  it('is given as seconds, as ms since 1970, or as ISO 8601 with offset', () => {
    expect(endOf({ expires_in_s: 90 }, now)).toBe(now + 90_000)
    expect(endOf({ until: now + 5 }, now)).toBe(now + 5)
    expect(endOf({ until: '2026-11-21T14:00:00+01:00' }, now)).toBe(now + 3_600_000)
    expect(endOf({}, now)).toBeUndefined()
  })
})

describe('the command line', () => {
  it('reads times with units', () => {
    expect(['90', '90s', '1.5m', '2h', '1d'].map(duration)).toEqual([90, 90, 90, 7200, 86_400])
    for (const bad of ['', 'm', '-5m', '5y', '1e3']) expect(() => duration(bad)).toThrow()
  })

  it('shows tables: numbers right, text left, four digits, one line a row', () => {
    const table = sayTable(
      ['name', 'n'],
      [
        ['a\nb', 0.123456],
        ['c', 1234567],
      ],
    )
    expect(table).toBe(['name        n', '----  -------', 'a b    0.1235', 'c     1234567'].join('\n'))
    expect(sayTable(['name'], [])).toBe('(none)')
  })
})
