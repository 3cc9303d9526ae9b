// The command line's way to the sidecar: HTTP with a token, found from the configuration folder unless told. An answer
// that is a problem becomes an error with its code and everything it complains of.

import path from 'node:path'
import { Readable } from 'node:stream'

import { SluiceError, type ErrorCode, messageOf } from '@sluice/core/errors'

import { findFolder, readConfiguration } from '../config/configuration'
import { readAddress } from '../http/address'
import { problemSchema, type Problem } from '../http/problem'
import { readToken, type Scope } from '../http/tokens'

export interface ClientOptions {
  /** Haraka directory, or its config folder. */
  readonly config: string
  readonly url?: string | undefined
  readonly tokenFile?: string | undefined
}

/** What the sidecar answered instead of what was asked for. */
export class Refusal extends SluiceError {
  constructor(readonly problem: Problem) {
    super(problem.code, problem.message)
  }
}

const timeoutMs = 60_000

export class Client {
  private constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** @throws SluiceError where configuration or token file cannot be read */
  static async find(options: ClientOptions, scope: Scope): Promise<Client> {
    const url = options.url ?? process.env['SLUICE_URL']
    const given = process.env['SLUICE_TOKEN']
    if (url !== undefined && given) return new Client(trim(url), given)
    const folder = await findFolder(options.config)
    const { sidecar } = await readConfiguration(folder)
    const data = path.resolve(folder.base, sidecar.data)
    const file = options.tokenFile ?? process.env['SLUICE_TOKEN_FILE'] ?? path.resolve(data, sidecar.http.tokens)
    const { host, port } = sidecar.http
    const configured = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
    return new Client(trim(url ?? (await readAddress(data)) ?? configured), given ?? (await readToken(file, scope)))
  }

  async get<T>(route: string, query: Readonly<Record<string, string | number | undefined>> = {}): Promise<T> {
    const parameters = new URLSearchParams()
    for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, String(value))
    const search = parameters.toString()
    return JSON.parse(await this.send('GET', search ? `${route}?${search}` : route)) as T
  }

  async change<T>(method: 'POST' | 'DELETE', route: string, body: object): Promise<T> {
    return JSON.parse(await this.send(method, route, body)) as T
  }

  async send(method: string, route: string, body?: object): Promise<string> {
    const response = await reach(this.url, () =>
      fetch(this.url + route, {
        method,
        headers: { authorization: `Bearer ${this.token}`, ...(body && { 'content-type': 'application/json' }) },
        signal: AbortSignal.timeout(timeoutMs),
        ...(body && { body: JSON.stringify(body) }),
      }),
    )
    const text = await response.text()
    if (response.ok) return text
    throw refusalOf(text, response.status)
  }

  /** Sends a file of any length as it is. */
  async upload<T>(route: string, type: string, content: Readable): Promise<T> {
    const response = await reach(this.url, () =>
      fetch(this.url + route, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.token}`, 'content-type': type },
        body: Readable.toWeb(content) as ReadableStream,
        duplex: 'half',
      }),
    )
    const text = await response.text()
    if (response.ok) return JSON.parse(text) as T
    throw refusalOf(text, response.status)
  }

  /** An answer of any length, as it comes. */
  async download(route: string): Promise<Readable> {
    const response = await reach(this.url, () =>
      fetch(this.url + route, { headers: { authorization: `Bearer ${this.token}` } }),
    )
    if (!response.ok || !response.body) throw refusalOf(await response.text(), response.status)
    return Readable.fromWeb(response.body)
  }
}

const reach = async (url: string, ask: () => Promise<Response>): Promise<Response> => {
  try {
    return await ask()
  } catch (cause) {
    const why = cause instanceof Error && cause.cause ? messageOf(cause.cause) : messageOf(cause)
    throw new SluiceError('SLUICE_SIDECAR_AWAY', `${url}: ${why}`, { cause })
  }
}

const trim = (url: string): string => url.replace(/\/+$/, '')

const refusalOf = (text: string, status: number): SluiceError => {
  try {
    return new Refusal(problemSchema.parse(JSON.parse(text)))
  } catch {
    const code: ErrorCode = 'SLUICE_SIDECAR_AWAY'
    return new SluiceError(code, `what answers there is no sidecar (status ${status})`)
  }
}
