#!/usr/bin/env node
// sluice-lab: the receiver lab and the campaign generator on the command line. One JSON line on stdout says that the lab
// is ready (serve) or what was accepted (campaign); SIGINT and SIGTERM end either cleanly; faults go to stderr, exit 1.

import { readFileSync } from 'node:fs'

import { messageOf } from '@sluice/core/errors'
import { Command, InvalidArgumentError } from 'commander'

import { runCampaign } from './campaign'
import { domainWeights } from './internet/population'
import { readInternet, type Internet } from './internet/schema'
import { shippedInternet } from './internet/shipped'
import { startLab } from './lab'

interface Address {
  readonly host: string
  readonly port: number
}

const toAddress = (text: string): Address => {
  const [, host = '127.0.0.1', port = ''] = /^(?:([^:]+):)?(\d{1,5})$/.exec(text) ?? []
  if (port === '' || Number(port) > 65_535) throw new InvalidArgumentError('expected [HOST:]PORT')
  return { host, port: Number(port) }
}

const toNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`expected a number from ${least} to ${most}`)
    }
    return value
  }

const loadInternet = (file: string | undefined): Internet =>
  file === undefined ? shippedInternet() : readInternet(file, readFileSync(file, 'utf8'))

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)

/** Aborts at the first SIGINT or SIGTERM. */
const untilSignalled = (): AbortSignal => {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort())
  return controller.signal
}

interface ServeFlags {
  readonly internet?: string
  readonly seed: string
  readonly port: number
  readonly dns: Address
  readonly control: Address
  readonly truth?: string
}

const serve = async (flags: ServeFlags): Promise<void> => {
  const signal = untilSignalled()
  const lab = await startLab({
    internet: loadInternet(flags.internet),
    seed: flags.seed,
    port: flags.port,
    dns: flags.dns,
    control: flags.control,
    ...(flags.truth === undefined ? {} : { truthFile: flags.truth }),
  })
  const { port, dns, control } = lab
  say({ ready: true, port, dns, control, providers: lab.providers.size, pid: process.pid })
  if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }))
  await lab.stop()
}

interface CampaignFlags {
  readonly to: Address
  readonly messages: number
  readonly rate?: number
  readonly seed: string
  readonly connections: number
  readonly recipients: number
  readonly internet?: string
  readonly from?: string
}

const campaign = async (flags: CampaignFlags): Promise<void> => {
  const { accepted: _, ...counts } = await runCampaign({
    host: flags.to.host,
    port: flags.to.port,
    messages: flags.messages,
    seed: flags.seed,
    connections: flags.connections,
    domains: domainWeights(loadInternet(flags.internet)),
    recipients: { max: flags.recipients },
    signal: untilSignalled(),
    ...(flags.rate === undefined ? {} : { rate: flags.rate }),
    ...(flags.from === undefined ? {} : { localAddress: flags.from }),
  })
  say(counts)
}

const program = new Command('sluice-lab').description('A model internet of mail receivers on loopback')

program
  .command('serve')
  .description('start SMTP receivers, DNS and control')
  .option('--internet <file>', 'internet.yaml; default: the shipped one')
  .option('--seed <text>', 'same seed, same dice', 'lab')
  .option('--port <number>', 'SMTP port of all MX addresses; 0 = one that is free', toNumber(0, 65_535), 2525)
  .option('--dns <[host:]port>', 'DNS, UDP and TCP', toAddress, toAddress('127.0.0.1:0'))
  .option('--control <[host:]port>', 'HTTP', toAddress, toAddress('127.0.0.1:0'))
  .option('--truth <file>', 'append every fact to this NDJSON file')
  .action(serve)

program
  .command('campaign')
  .description('submit a seeded campaign to an MTA')
  .requiredOption('--to <[host:]port>', 'where to submit', toAddress)
  .option('--messages <number>', 'how many', toNumber(0, 10_000_000), 1000)
  .option('--rate <number>', 'messages per second; default: as fast as taken', toNumber(0.001, 1_000_000))
  .option('--seed <text>', 'same seed, same mail', 'campaign')
  .option('--connections <number>', 'connections kept', toNumber(1, 1000), 8)
  .option('--recipients <number>', 'most recipients per message', toNumber(1, 1000), 1)
  .option('--internet <file>', 'internet.yaml whose domains are written to; default: the shipped one')
  .option('--from <address>', 'local address to submit from')
  .action(campaign)

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = 1
})
