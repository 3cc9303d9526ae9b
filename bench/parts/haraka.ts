// A Haraka for benchmarks: as it comes out of the box (`vanilla`), with the host layer only (`host`), or with all
// Sluice plugins, without (`sluice`) and with every kind of limit in force and none of them reached (`limits`); ours are
// started as `npm start` starts them. All of them send everything to one port.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { nodeArguments } from '@sluice/run/haraka'

import { answers, freePort } from './port'
import { Child } from './process'

const packageFolder = path.dirname(require.resolve('Haraka/package.json'))

export interface HarakaPlan {
  readonly kind: 'vanilla' | 'host' | 'sluice' | 'limits'
  readonly to: { readonly port: number; readonly tls: boolean; readonly dnsPort: number }
  /** Connections at a time. */
  readonly limit: number
  readonly redisUrl?: string
  readonly nodeArguments?: readonly string[]
  /** A folder with a queue made before. */
  readonly folder?: string
  /** Of its keys in Redis. */
  readonly prefix?: string
  /** Worker processes; absent = a single process. */
  readonly workers?: number
  /** Files of config/ in place of those made here. */
  readonly files?: Readonly<Record<string, string>>
  /** Local plugins that come before all others: name to source. */
  readonly plugins?: Readonly<Record<string, string>>
}

const relay = `
exports.hook_connect_init = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
`
const route = (port: number): string =>
  `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${port}, bind_helo: 'bench.test' })\n`

const all = ['sluice-host', 'sluice-stream', 'sluice-egress', 'sluice-outcome', 'bench-relay']
const plugins = {
  vanilla: ['bench-relay', 'bench-route'],
  host: ['sluice-host', 'bench-relay', 'bench-route'],
  sluice: all,
  limits: all,
}

/** Every kind of limit, out of reach: each rate is kept as a pace, so that a day's must be, too. */
const limits = `
  message_rate: [5000/s, 300000/min, 18000000/h, 432000000/day]
  connection_rate: [1000/s, 60000/min]
  total: { connection_limit: 1000, message_rate: [6000/s, 360000/min], connection_rate: 2000/s }`

const sluiceFiles = ({
  kind,
  to,
  limit,
  redisUrl,
  prefix = `bench${Date.now()}`,
}: HarakaPlan): Record<string, string> => ({
  // As haraka-config has it.
  'results.ini': '',
  'sluice.yaml': [
    `resolvers: ['127.0.0.1:${to.dnsPort}']`,
    ...(redisUrl ? [`redis: { url: '${redisUrl}', prefix: ${prefix} }`] : []),
    '',
  ].join('\n'),
  'egress.yaml': `sources: { a: { ip: 127.0.0.1, ehlo: bench.test } }
pools: { p: { a: 1 } }
streams: { s: { pool: p } }
default_stream: s
`,
  'shaping.yaml': `defaults:
  connection_limit: ${limit}
  port: ${to.port}
  tls: ${to.tls ? 'required' : 'none'}
  messages_per_connection: 100000
  idle_s: 10${kind === 'limits' ? limits : ''}
`,
})

export const makeHarakaFolder = async (): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-bench-'))
  await mkdir(path.join(folder, 'config'))
  await mkdir(path.join(folder, 'plugins'))
  await mkdir(path.join(folder, 'queue'))
  return folder
}

export class Haraka {
  private constructor(
    readonly child: Child,
    readonly folder: string,
    readonly port: number,
  ) {}

  static async start(plan: HarakaPlan): Promise<Haraka> {
    const folder = plan.folder ?? (await makeHarakaFolder())
    const port = await freePort()
    const steered = plan.kind === 'sluice' || plan.kind === 'limits'
    const config = (name: string): string => path.join(folder, 'config', name)
    await cp(path.join(packageFolder, 'config/connection.ini'), config('connection.ini'))
    const files: Record<string, string> = {
      'smtp.ini': `listen=127.0.0.1:${port}\nnodes=${plan.workers ?? 0}\n`,
      'log.ini': '[main]\nlevel=warn\n',
      'outbound.ini': `concurrency_max=${steered ? 500 : plan.limit}\nlocal_mx_ok=true\n`,
      me: 'bench.test\n',
      plugins: [...Object.keys(plan.plugins ?? {}), ...plugins[plan.kind]].join('\n') + '\n',
      ...(steered ? sluiceFiles(plan) : {}),
      ...plan.files,
    }
    await Promise.all(Object.entries(files).map(([name, text]) => writeFile(config(name), text)))
    await writeFile(path.join(folder, 'plugins/bench-relay.js'), relay)
    await writeFile(path.join(folder, 'plugins/bench-route.js'), route(plan.to.port))
    for (const [name, source] of Object.entries(plan.plugins ?? {})) {
      await writeFile(path.join(folder, `plugins/${name}.js`), source)
    }
    const own = plan.kind === 'vanilla' ? [] : nodeArguments
    const args = [...own, ...(plan.nodeArguments ?? []), path.join(packageFolder, 'bin/haraka'), '-c', folder]
    const child = Child.start(process.execPath, args, { NODE_ENV: 'production' }, folder)
    await answers(port, child)
    return new Haraka(child, folder, port)
  }

  async stop(): Promise<void> {
    await this.child.stop()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
