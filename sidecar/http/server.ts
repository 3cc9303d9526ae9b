// Serves the routes: request id, token and scope, body, validation, handler, answer, in that order; one place for
// errors. Nothing of a request is looked at before its token is.

import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import type { z } from 'zod'

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Log } from '../log'
import { problemOf, RequestError, type Detail, type RequestCode } from './problem'
import { Raw, Status, type Route } from './route'
import type { Token, TokenFile } from './tokens'

export interface ServerOptions {
  readonly routes: readonly Route[]
  readonly tokens: TokenFile
  readonly maxBodyBytes: number
  readonly log: Log
  /** Told of every answer, for metrics. */
  readonly onAnswer?: (route: string, status: number, seconds: number) => void
}

const requestIds = new WeakMap<Request, string>()
const idOf = (request: Request): string => requestIds.get(request) ?? ''

/** The application; `listen` puts it on an address. */
export const serve = (options: ServerOptions): Express => {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.use((request, response, next) => {
    const given = request.get('x-request-id')
    const id = given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID()
    requestIds.set(request, id)
    response.set({ 'X-Request-Id': id, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' })
    next()
  })
  const json: Parser = express.json({ limit: options.maxBodyBytes, strict: true, inflate: false })
  const paths = new Set<string>()
  for (const route of options.routes) {
    const path = route.path.replace(/\{(\w+)\}/g, ':$1')
    paths.add(path)
    app[route.method](path, async (request, response) => {
      const began = performance.now()
      response.once('close', () =>
        options.onAnswer?.(`${route.method} ${route.path}`, response.statusCode, (performance.now() - began) / 1000),
      )
      await answer(route, request, response, options.tokens, json)
    })
  }
  app.all([...paths], () => {
    throw new SluiceError('SLUICE_HTTP_METHOD', 'see /v1/openapi.json')
  })
  app.use(() => {
    throw new SluiceError('SLUICE_HTTP_NOT_FOUND', 'no such path; see /v1/openapi.json')
  })
  // Express knows an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    refuse(error, request, response, options.log)
  })
  return app
}

type Parser = RequestHandler

const answer = async (
  route: Route,
  request: Request,
  response: Response,
  tokens: TokenFile,
  json: Parser,
): Promise<void> => {
  const token = route.scope === 'public' ? undefined : await admit(request, tokens, route.scope)
  if (route.raw) demandType(request, route.raw)
  else if (route.body) await parseBody(json, request, response)
  const gone = new AbortController()
  response.once('close', () => gone.abort(new Error('the caller has gone')))
  const given = await route.handle({
    params: check(route.params, request.params, 'SLUICE_HTTP_QUERY'),
    query: check(route.query, request.query, 'SLUICE_HTTP_QUERY'),
    body: route.raw ? request : check(route.body, request.body, 'SLUICE_HTTP_BODY'),
    token,
    requestId: idOf(request),
    signal: gone.signal,
  })
  if (given instanceof Raw) return sendRaw(given, response)
  if (given instanceof Status) response.status(given.status).json(given.value)
  else response.status(route.status ?? 200).json(given)
}

const admit = async (request: Request, tokens: TokenFile, scope: string): Promise<Token> => {
  const [, given] = /^Bearer +(\S{1,1024})$/i.exec(request.get('authorization') ?? '') ?? []
  const token = given === undefined ? undefined : await tokens.find(given)
  if (!token) {
    throw new SluiceError(
      'SLUICE_HTTP_UNAUTHORIZED',
      'send `Authorization: Bearer TOKEN` with a token of the token file',
    )
  }
  const scopes: ReadonlySet<string> = token.scopes
  if (!scopes.has(scope) && !scopes.has('admin')) {
    throw new SluiceError('SLUICE_HTTP_FORBIDDEN', `the token ${token.name} lacks the scope ${scope}`)
  }
  return token
}

const demandType = (request: Request, types: readonly string[]): void => {
  if (request.is([...types]) === false) {
    throw new RequestError('SLUICE_HTTP_BODY', [{ key: '', message: `send it as ${types.join(' or ')}` }])
  }
}

const parseBody = (json: Parser, request: Request, response: Response): Promise<void> =>
  new Promise((resolve, reject) => {
    if (request.get('content-length') !== '0' && !request.is('application/json')) {
      reject(new RequestError('SLUICE_HTTP_BODY', [{ key: '', message: 'send JSON as application/json' }]))
      return
    }
    json(request, response, (error?: unknown) => {
      if (error === undefined) resolve()
      else reject(bodyFault(error))
    })
  })

const bodyFault = (error: unknown): Error => {
  const { type } = error as { type?: string }
  if (type === 'entity.too.large') return new SluiceError('SLUICE_HTTP_TOO_LARGE', messageOf(error))
  return new RequestError('SLUICE_HTTP_BODY', [{ key: '', message: messageOf(error) }])
}

const check = (schema: z.ZodType | undefined, value: unknown, code: RequestCode): unknown => {
  if (!schema) return undefined
  const checked = schema.safeParse(value ?? {})
  if (checked.success) return checked.data
  throw new RequestError(code, checked.error.issues.flatMap(detailsOf))
}

const detailsOf = (issue: z.core.$ZodIssue): Detail[] => {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ key: [...issue.path, key].join('.'), message: 'unknown key' }))
  }
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
  return [{ key: issue.path.join('.'), message: missing ? `is missing (${issue.expected})` : issue.message }]
}

const sendRaw = async (raw: Raw, response: Response): Promise<void> => {
  response.status(raw.status).type(raw.type)
  if (typeof raw.content === 'string') response.send(raw.content)
  else await pipeline(raw.content, response)
}

const badPath = new RequestError('SLUICE_HTTP_QUERY', [{ key: '', message: 'the path is not valid UTF-8' }])

const refuse = (error: unknown, request: Request, response: Response, log: Log): void => {
  const problem = problemOf(error instanceof URIError ? badPath : error, idOf(request))
  if (problem.status >= 500) {
    log.error({ request_id: problem.request_id, path: request.path, code: problem.code, err: error }, 'request failed')
  }
  if (response.headersSent) {
    // Too late for a status: a broken connection tells the caller that the answer is not whole.
    response.destroy()
    return
  }
  if (problem.code === 'SLUICE_HTTP_UNAUTHORIZED') response.set('WWW-Authenticate', 'Bearer')
  if (problem.code === 'SLUICE_HTTP_BUSY') response.set('Retry-After', '1')
  // The rest of the request is not read, so nobody may send another one after it.
  if (!request.complete) {
    response.set('Connection', 'close')
    response.once('finish', () => request.destroy())
  }
  response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

export interface Listening {
  readonly url: string
  /** Lets running requests end for a moment, then closes. */
  stop(): Promise<void>
}

const farewellMs = 1500
/** A long list may be sent for a long time, but not in silence. ms */
const timeouts = { request: 3_600_000, headers: 10_000, silence: 60_000 }

/** @throws SluiceError SLUICE_HTTP_LISTEN */
export const listen = async (app: Express, host: string, port: number): Promise<Listening> => {
  const server: Server = createServer({ requestTimeout: timeouts.request, headersTimeout: timeouts.headers }, app)
  server.setTimeout(timeouts.silence)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new SluiceError('SLUICE_HTTP_LISTEN', `${host}:${port}: ${cause.message}`, { cause })),
    )
    server.listen(port, host, resolve)
  })
  const { address, port: taken } = server.address() as AddressInfo
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${taken}`,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), farewellMs)
      await closed
      clearTimeout(timer)
    },
  }
}
