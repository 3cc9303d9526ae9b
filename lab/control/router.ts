// A very small HTTP router on node:http: JSON in, JSON or lines out, coded errors. Bodies are bounded.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

import { messageOf, SluiceError, type ErrorCode } from '@sluice/core/errors'
import { z } from 'zod'

const mostBody = 262_144

export interface Request {
  readonly query: URLSearchParams
  /** Parsed JSON; undefined where there was no body. */
  readonly body: unknown
}

/** A value is sent as JSON; `lines` as NDJSON. */
export type Answer =
  { readonly json: unknown } | { readonly lines: Iterable<unknown>; readonly headers?: Record<string, string> }

/** `METHOD /path` to handler. */
export type Routes = Readonly<Record<string, (request: Request) => Answer | Promise<Answer>>>

const status: Partial<Record<ErrorCode, number>> = {
  SLUICE_HTTP_BODY: 400,
  SLUICE_HTTP_QUERY: 400,
  SLUICE_HTTP_NOT_FOUND: 404,
  SLUICE_HTTP_TOO_LARGE: 413,
}

export const serveRoutes = (routes: Routes): Server =>
  createServer((request, response) => {
    handle(routes, request)
      .then((answer) => send(response, 200, answer))
      .catch((error: unknown) => send(response, ...describe(error)))
  })

const handle = async (routes: Routes, request: IncomingMessage): Promise<Answer> => {
  const url = new URL(request.url ?? '/', 'http://lab')
  const route = routes[`${request.method ?? 'GET'} ${url.pathname}`]
  if (!route) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `there is no ${request.method ?? ''} ${url.pathname}`)
  return route({ query: url.searchParams, body: await readBody(request) })
}

const readBody = async (request: IncomingMessage): Promise<unknown> => {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > mostBody) throw new SluiceError('SLUICE_HTTP_TOO_LARGE', `a body is at most ${mostBody} bytes`)
    parts.push(part)
  }
  if (size === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch (error) {
    throw new SluiceError('SLUICE_HTTP_BODY', `not JSON: ${messageOf(error)}`)
  }
}

const describe = (error: unknown): [number, Answer] => {
  const known =
    error instanceof SluiceError
      ? error
      : error instanceof z.ZodError
        ? new SluiceError('SLUICE_HTTP_BODY', z.prettifyError(error))
        : new SluiceError('SLUICE_INTERNAL', messageOf(error))
  return [status[known.code] ?? 500, { json: { error: { code: known.code, message: known.message } } }]
}

const send = (response: ServerResponse, code: number, answer: Answer): void => {
  if ('json' in answer) {
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify(answer.json)}\n`)
    return
  }
  response.writeHead(code, { 'content-type': 'application/x-ndjson', ...answer.headers })
  response.end([...answer.lines].map((line) => `${JSON.stringify(line)}\n`).join(''))
}
