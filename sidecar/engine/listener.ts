// The HTTP face of the engine: ClickHouse's paths, authentication and headers on a loopback port. One request is one
// query; a client that leaves takes its query with it.

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { Answer } from './answer'
import { readAsk, type Ask } from './ask'
import { receive, type Body, type BodyLimits } from './body'
import { Exception, readException, refuse } from './exception'
import { execute, type Machine } from './execute'
import { multipartBoundary, readMultipart } from './multipart'

export interface ListenerOptions {
  /** 0 = any free port. */
  readonly port: number
  readonly username: string
  readonly password: string
  readonly body: BodyLimits
  /** A client that takes nothing for so long loses its query, in milliseconds. */
  readonly stallMs: number
}

export interface Listener {
  readonly port: number
  /** Takes no new connection, ends what runs, settles when all answers are out. */
  close(): Promise<void>
}

const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone

export const listen = async (machine: Machine, options: ListenerOptions): Promise<Listener> => {
  const running = new Set<AbortController>()
  let closing = false
  const server = http.createServer({ maxHeaderSize: 1024 * 1024, keepAliveTimeout: 10_000 }, (request, response) => {
    const life = new AbortController()
    running.add(life)
    response.once('close', () => {
      running.delete(life)
      if (!response.writableFinished) life.abort(new Exception(394, 'QUERY_WAS_CANCELLED', 'the client has left'))
    })
    if (closing) response.setHeader('Connection', 'close')
    void serve(machine, options, request, response, life.signal)
  })
  server.maxConnections = 1_024
  server.listen(options.port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      closing = true
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      for (const life of running) life.abort(new Exception(394, 'QUERY_WAS_CANCELLED', 'the engine is stopping'))
      await closed
    },
  }
}

/** Never rejects. */
const serve = async (
  machine: Machine,
  options: ListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> => {
  const { version } = machine.embedded
  const plain = {
    queryId: randomUUID(),
    version,
    timezone,
    encoding: undefined,
    whole: false,
    stallMs: options.stallMs,
  }
  let answer = new Answer(response, plain)
  let body: Body | undefined
  try {
    const url = new URL(request.url ?? '/', 'http://engine')
    if (simple(request, url, response)) return
    authenticate(request, url, options)
    const boundary = multipartBoundary(request.headers['content-type'])
    let ask = readAsk(request, url)
    answer = new Answer(response, answerOptions(ask, plain))
    body = await receive(request, options.body, signal)
    if (boundary !== undefined) {
      if (!body.memory) throw refuse('QUERY_IS_TOO_LARGE', 'the multipart body is too large')
      ask = readAsk(request, url, readMultipart(body.memory, boundary))
      body = { ...body, bytes: 0, memory: Buffer.alloc(0) }
    }
    await execute(machine, ask, body, answer, signal)
  } catch (error) {
    if (!response.destroyed) answer.fail(readException(error))
  } finally {
    await body?.dispose()
  }
}

const answerOptions = (ask: Ask, plain: ConstructorParameters<typeof Answer>[1]) => ({
  ...plain,
  queryId: ask.queryId ?? plain.queryId,
  encoding: ask.encoding,
  whole: ask.whole,
})

/** Paths that need no query and no password. */
const simple = (request: IncomingMessage, url: URL, response: ServerResponse): boolean => {
  const alive = url.pathname === '/ping' || url.pathname === '/replicas_status'
  const greeting = url.pathname === '/' && request.method === 'GET' && !url.searchParams.has('query')
  if (alive || greeting) {
    response.setHeader('Content-Type', 'text/html; charset=UTF-8')
    response.end('Ok.\n')
    return true
  }
  if (url.pathname === '/' && ['GET', 'POST'].includes(request.method ?? '')) return false
  response.statusCode = url.pathname === '/' ? 405 : 404
  response.end(`There is no handle ${request.method ?? ''} ${url.pathname.slice(0, 200)}\n`)
  return true
}

/** X-ClickHouse-User and -Key, Basic, or user and password in the URL. @throws Exception 516 */
const authenticate = (request: IncomingMessage, url: URL, { username, password }: ListenerOptions): void => {
  const { authorization } = request.headers
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1]
  const [basicUser, ...basicPassword] = basic ? Buffer.from(basic, 'base64').toString('utf8').split(':') : []
  const header = (name: string): string | undefined => request.headers[name]?.toString()
  const user = header('x-clickhouse-user') ?? basicUser ?? url.searchParams.get('user') ?? ''
  const key = header('x-clickhouse-key') ?? (basic ? basicPassword.join(':') : url.searchParams.get('password')) ?? ''
  if (!same(user, username) || !same(key, password)) {
    throw refuse(
      'AUTHENTICATION_FAILED',
      `${user || 'default'}: Authentication failed: password is incorrect, or there is no user with such name`,
    )
  }
}

const same = (given: string, wanted: string): boolean => {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
