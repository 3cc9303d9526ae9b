// A whole sidecar in the test's process: real Redis, real engine (its compiled child), real HTTP on free ports, in a
// folder of its own. Give `clickhouseUrl` for a server that may be away instead of the engine.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { Problem } from '@sluice/sidecar/http/problem'
import { LiveConfiguration } from '@sluice/sidecar/config/live'
import { findFolder } from '@sluice/sidecar/config/configuration'
import { readToken } from '@sluice/sidecar/http/tokens'
import { silent, type Log } from '@sluice/sidecar/log'
import { Sidecar } from '@sluice/sidecar/sidecar'

export const usualEgress = `
sources:
  a: { ip: 127.0.1.1, ehlo: a.example.com }
  b: { ip: 127.0.1.2, ehlo: b.example.com }
  r: { relay: { host: relay.example.com, username: u, password: { env: RELAY_PASSWORD } } }
pools:
  main: { a: 3, b: 1 }
  spare: { r: 1, b: 1 }
streams:
  bulk: { pool: main, fallback: [spare] }
default_stream: bulk
`

export interface RunningOptions {
  readonly redisUrl: string
  readonly sidecar?: string
  readonly egress?: string
  /** shaping.yaml; absent = none */
  readonly shaping?: string
  /** feedback.yaml; absent = none */
  readonly feedback?: string
  /** Further keys of sluice.yaml. */
  readonly sluice?: string
  readonly clickhouseUrl?: string
  readonly log?: Log
  /** Of an earlier one, for a restart. */
  readonly folder?: string
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a test says what it expects to get
  readonly json: <T = Record<string, unknown>>() => T
  readonly problem: () => Problem
}

export interface Ask {
  readonly method?: string
  readonly body?: unknown
  readonly token?: string | undefined
  readonly headers?: Record<string, string>
}

export class Running {
  private constructor(
    readonly sidecar: Sidecar,
    readonly folder: string,
    readonly token: string,
  ) {}

  static async start(options: RunningOptions): Promise<Running> {
    const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'sluice-sidecar-')))
    await mkdir(path.join(folder, 'config'), { recursive: true })
    const files: Record<string, string> = {
      'sluice.yaml': `redis: { url: '${options.redisUrl}' }\n${options.sluice ?? ''}`,
      ...(options.shaping !== undefined && { 'shaping.yaml': options.shaping }),
      ...(options.feedback !== undefined && { 'feedback.yaml': options.feedback }),
      'egress.yaml': options.egress ?? usualEgress,
      'sidecar.yaml': `http: { port: 0 }\n${options.clickhouseUrl ? `clickhouse: { url: '${options.clickhouseUrl}' }\n` : ''}${options.sidecar ?? ''}`,
    }
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, 'config', name), text)
    const log = options.log ?? silent
    const configuration = await LiveConfiguration.open(await findFolder(folder), log)
    const sidecar = await Sidecar.start(configuration, log)
    return new Running(sidecar, folder, await readToken(sidecar.tokenFile, 'admin'))
  }

  async ask(route: string, { method = 'GET', body, token = this.token, headers = {} }: Ask = {}): Promise<Answer> {
    const response = await fetch(this.sidecar.url + route, {
      method,
      headers: {
        ...(token !== '' && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      text,
      headers: response.headers,
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as declared above
      json: <T>() => JSON.parse(text) as T,
      problem: () => JSON.parse(text) as Problem,
    }
  }

  post(route: string, body: unknown, token?: string): Promise<Answer> {
    return this.ask(route, { method: 'POST', body, token })
  }

  /** Lines of a file of the data folder. */
  async lines(name: string): Promise<Record<string, unknown>[]> {
    const text = await readFile(path.join(this.folder, 'sidecar', name), 'utf8')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  async stop(): Promise<void> {
    await this.sidecar.stop()
  }

  /** Stops it and removes its folder. */
  async end(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Said by every change in the tests. */
export const because = { author: 'anna', reason: 'test' }
