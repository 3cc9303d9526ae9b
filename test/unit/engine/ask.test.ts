import type { IncomingMessage } from 'node:http'

import { describe, expect, it } from 'vitest'

import { readAsk } from '@sluice/sidecar/engine/ask'

const ask = (search: string, headers: Record<string, string> = {}, method = 'POST') =>
  readAsk({ headers, method } as unknown as IncomingMessage, new URL(`http://engine/?${search}`))

describe('a request', () => {
  it('has query, parameters, settings and the rest apart', () => {
    const read = ask('query=select+1&param_a=x&max_threads=2&query_id=q&database=d&default_format=JSON&readonly=1')
    expect(read).toMatchObject({ query: 'select 1', queryId: 'q', database: 'd', format: 'JSON', readonly: 1 })
    expect([...read.params]).toEqual([['a', 'x']])
    expect([...read.settings]).toEqual([['max_threads', '2']])
  })

  it('by GET never changes anything', () => {
    expect(ask('query=x', {}, 'GET').readonly).toBe(2)
    expect(ask('query=x&readonly=1', {}, 'GET').readonly).toBe(1)
    expect(ask('query=x').readonly).toBe(0)
  })

  it('is compressed only where it asks twice', () => {
    expect(ask('enable_http_compression=1', { 'accept-encoding': 'gzip, deflate, br' }).encoding).toBe('gzip')
    expect(ask('enable_http_compression=1', { 'accept-encoding': 'br' }).encoding).toBe('br')
    expect(ask('', { 'accept-encoding': 'gzip' }).encoding).toBeUndefined()
    expect(ask('enable_http_compression=1', { 'accept-encoding': 'zstd' }).encoding).toBeUndefined()
  })

  it.each(['session_id=a', 'role=admin', 'compress=1', 'decompress=1', 'client_protocol_version=54478'])(
    'is refused with %s, which the engine does not do',
    (search) => {
      expect(() => ask(search)).toThrow(expect.objectContaining({ code: 48 }))
    },
  )

  it.each(['readonly=3', 'a%20b=1', 'param_a-b=1', 'default_format=JSON;x'])('is refused with %s', (search) => {
    expect(() => ask(search)).toThrow(expect.objectContaining({ code: 36 }))
  })

  it('keeps quiet about what changes nothing here', () => {
    expect([...ask('compress=0&async_insert=1&send_progress_in_http_headers=1').settings]).toEqual([])
  })
})
