// multipart/form-data as ClickHouse clients send long query parameters: a few named text fields, all in memory.
// Files (external tables) are not supported and are refused.

import { refuse } from './exception'

const boundaryOf = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i
const nameOf = /;\s*name="([A-Za-z0-9_.-]{1,200})"/i

/** Boundary of a multipart/form-data content type, or undefined for any other. */
export const multipartBoundary = (header: string | undefined): string | undefined => {
  if (!header?.toLowerCase().startsWith('multipart/form-data')) return undefined
  const found = boundaryOf.exec(header)
  return found?.[1] ?? found?.[2]
}

/**
 * Fields by name, in the text's order.
 * @throws Exception 36 where the body is not of that form, 48 for a file
 */
export const readMultipart = (body: Buffer, boundary: string): [name: string, value: string][] => {
  const parts = body.toString('latin1').split(new RegExp(`(?:^|\\r\\n)--${escapeExpression(boundary)}`))
  const end = parts.pop()
  if (!end?.startsWith('--') || parts.shift() !== '')
    throw refuse('BAD_ARGUMENTS', 'the multipart body is not complete')
  return parts.map((part) => {
    const split = part.indexOf('\r\n\r\n')
    const head = part.slice(0, split)
    const name = nameOf.exec(head)?.[1]
    if (split < 0 || name === undefined) throw refuse('BAD_ARGUMENTS', 'a part of the multipart body has no name')
    if (/;\s*filename=/i.test(head)) throw refuse('NOT_IMPLEMENTED', 'the embedded engine takes no external tables')
    return [name, Buffer.from(part.slice(split + 4), 'latin1').toString('utf8')]
  })
}

const escapeExpression = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
