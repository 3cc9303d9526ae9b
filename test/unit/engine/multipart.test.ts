import { describe, expect, it } from 'vitest'

import { multipartBoundary, readMultipart } from '@sluice/sidecar/engine/multipart'

const part = (name: string, value: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`

describe('multipart/form-data', () => {
  it('has named text fields, in UTF-8', () => {
    const body = Buffer.from(`${part('query', 'select {a:String}\r\n--C')}${part('param_a', 'é漢')}--B--\r\n`)
    expect(readMultipart(body, 'B')).toEqual([
      ['query', 'select {a:String}\r\n--C'],
      ['param_a', 'é漢'],
    ])
  })

  it('is refused where it is cut off, has a nameless part or a file', () => {
    expect(() => readMultipart(Buffer.from(part('query', 'x')), 'B')).toThrow('not complete')
    expect(() => readMultipart(Buffer.from('--B\r\nX: y\r\n\r\nz\r\n--B--'), 'B')).toThrow('no name')
    const file = '--B\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nz\r\n--B--'
    expect(() => readMultipart(Buffer.from(file), 'B')).toThrow('external tables')
  })

  it('is known by its content type', () => {
    expect(multipartBoundary('multipart/form-data; boundary=abc')).toBe('abc')
    expect(multipartBoundary('multipart/form-data; boundary="a b"; charset=x')).toBe('a b')
    expect(multipartBoundary('text/plain')).toBeUndefined()
    expect(multipartBoundary(undefined)).toBeUndefined()
  })
})
