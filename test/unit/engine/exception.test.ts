import { describe, expect, it } from 'vitest'

import { Exception, httpStatus, readException, refuse } from '@sluice/sidecar/engine/exception'

describe('what the engine throws', () => {
  it.each([
    [
      'Code: 62. DB::Exception: Syntax error: failed at position 1 (selec). (SYNTAX_ERROR)',
      { code: 62, type: 'SYNTAX_ERROR', message: 'Syntax error: failed at position 1 (selec)' },
    ],
    [
      "Code: 107. DB::Exception: Code: 107. DB::Exception: File /x doesn't exist: data for INSERT was parsed from file. (FILE_DOESNT_EXIST) (version 26.7.2.1). (FILE_DOESNT_EXIST)",
      { code: 107, type: 'FILE_DOESNT_EXIST', message: "File /x doesn't exist: data for INSERT was parsed from file" },
    ],
    ['something else', { code: 1002, type: 'UNKNOWN_EXCEPTION', message: 'something else' }],
  ])('%s', (text, expected) => {
    const { code, type, message } = readException(new Error(text))
    expect({ code, type, message: message.replace(/\.$/, '') }).toEqual(expected)
  })

  it('stays what it is when it is ours', () => {
    const ours = refuse('NOT_IMPLEMENTED', 'no sessions')
    expect(readException(ours)).toBe(ours)
  })

  it('is said as ClickHouse says it', () => {
    expect(new Exception(60, 'UNKNOWN_TABLE', 'no table x.').say('26.7')).toBe(
      'Code: 60. DB::Exception: no table x. (UNKNOWN_TABLE) (version 26.7)\n',
    )
  })

  it.each([
    [62, 400],
    [60, 404],
    [516, 403],
    [48, 501],
    [177, 413],
    [202, 503],
    [241, 500],
  ])('code %i has status %i', (code, status) => {
    expect(httpStatus(new Exception(code, 'X', 'x'))).toBe(status)
  })
})
