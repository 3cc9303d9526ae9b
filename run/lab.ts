// The receiver lab as a child process, and its control over HTTP: a model internet on loopback that knows the truth.

import { readFile, writeFile } from 'node:fs/promises'
import { shippedInternetFile } from '@sluice/lab/internet/shipped'
import { parseDocument } from 'yaml'
import { z } from 'zod'

import { Child } from './child'
import { iniEdit, yamlEdit, type Edit } from './configuration'
import { readyLine } from './ready'

export interface LabOptions {
  /** Same seed, same dice. */
  readonly seed: string
  /** internet.yaml; absent = the shipped one. */
  readonly internet?: string
  /** Every fact is appended to this file. */
  readonly truthFile?: string
}

const readySchema = z.object({ port: z.number(), dns: z.string(), control: z.string() })
const rowSchema = z.object({
  unit: z.enum(['recipient', 'message', 'refusal']),
  provider: z.string(),
  client_ip: z.string(),
  verdict: z.enum(['delivered', 'deferred', 'bounced', 'unanswered']),
  stage: z.string(),
  code: z.number(),
  by: z.string(),
  count: z.number(),
})
/** How often the receivers said one thing; see lab/truth/tally.ts. */
export type TruthRow = z.output<typeof rowSchema>
const summarySchema = z.object({ rows: z.array(rowSchema) })

const startTimeoutMs = 15_000
const program = require.resolve('@sluice/lab/main')

export class LabProcess {
  /** What a Haraka must be told to live in this internet. */
  readonly edits: readonly Edit[]

  constructor(
    readonly child: Child,
    /** SMTP port of all MX addresses. */
    readonly port: number,
    /** host:port */
    readonly dns: string,
    /** Base URL. */
    private readonly control: string,
  ) {
    this.edits = [
      yamlEdit('sluice.yaml', ['resolvers'], [dns]),
      yamlEdit('shaping.yaml', ['defaults', 'port'], port),
      iniEdit('outbound.ini', 'local_mx_ok', 'true'),
    ]
  }

  /** Puts a client address on a provider's block list; without `seconds` until `unblock`. */
  async block(provider: string, client_ip: string, seconds?: number): Promise<void> {
    await this.ask('POST', '/blocklist', { provider, client_ip, ...(seconds === undefined ? {} : { seconds }) })
  }

  async unblock(provider: string, client_ip: string): Promise<void> {
    await this.ask('DELETE', '/blocklist', { provider, client_ip })
  }

  /** Changes a provider's service, latency or behaviours; `null` takes a behaviour away. */
  async change(provider: string, change: object): Promise<void> {
    await this.ask('POST', '/behaviour', { provider, ...change })
  }

  async truth(): Promise<TruthRow[]> {
    return summarySchema.parse(await this.ask('GET', '/truth/summary')).rows
  }

  async stop(): Promise<void> {
    await this.child.stop()
  }

  private async ask(method: string, route: string, body?: object): Promise<unknown> {
    const response = await fetch(this.control + route, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    })
    const answer: unknown = await response.json()
    if (!response.ok) throw new Error(`lab: ${method} ${route}: ${JSON.stringify(answer)}`)
    return answer
  }
}

/** @throws ChildTrouble where the lab does not come up */
export const startLab = async (options: LabOptions, logFile: string): Promise<LabProcess> => {
  const child = await Child.spawn({
    name: 'lab',
    command: process.execPath,
    args: [
      program,
      'serve',
      ...['--seed', options.seed, '--port', '0'],
      ...(options.internet ? ['--internet', options.internet] : []),
      ...(options.truthFile ? ['--truth', options.truthFile] : []),
    ],
    logFile,
  })
  try {
    const { port, dns, control } = await child.until(readyLine(readySchema), 'to be ready', startTimeoutMs)
    return new LabProcess(child, port, dns, control)
  } catch (trouble) {
    await child.stop('SIGKILL')
    throw trouble
  }
}

/**
 * Writes the shipped internet with one provider more, which takes the notices that Haraka sends to the campaign's
 * senders and is no recipient of the campaign.
 */
export const writeInternetWithReturns = async (file: string, senderDomains: readonly string[]): Promise<string> => {
  const document = parseDocument(await readFile(shippedInternetFile, 'utf8'))
  document.setIn(['providers', 'returns'], {
    label: 'Where the senders of the campaign receive',
    weight: 0,
    domains: senderDomains,
    mx: [{ host: 'mx.returns.test', address: '127.20.100.1' }],
  })
  await writeFile(file, document.toString())
  return file
}
