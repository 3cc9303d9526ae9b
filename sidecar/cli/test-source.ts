// `sluice test-source`: whether mail could leave by a source, tried from this machine with the configuration that Haraka
// has. Exit status 1 where it could not.

import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'

import type { Command } from 'commander'

import { isRelay } from '@sluice/core/config/egress'
import { mergeShaping, readShaping } from '@sluice/core/config/shaping'
import { SluiceError } from '@sluice/core/errors'
import { compileCatalogue } from '@sluice/core/provider/catalogue'
import { limitsOf } from '@sluice/core/shaping/limits'

import { findFolder, readConfiguration, type Configuration, type ConfigurationFolder } from '../config/configuration'
import { readSecret } from '../config/secret'
import { Names } from '../probe/names'
import { probe, type ProbePlan, type Step } from '../probe/probe'
import { duration, type Common, type Say } from './commands'

interface Options {
  readonly to?: string
  readonly timeout: number
}

/** Adds the command to `program`; `say` prints. */
export const addTestSource = (program: Command, say: Say): void => {
  program
    .command('test-source')
    .description('whether mail could leave by a source: addresses, route, banner, EHLO, TLS, AUTH; sends no mail')
    .argument('<source>')
    .option('--to <domain>', 'domain or host to ask, where the source is no relay')
    .option('--timeout <time>', 'longest wait for an answer', duration, 30)
    .action(async (source: string, options: Options) => {
      const { config, json } = program.opts<Common>()
      const steps: Step[] = []
      const tell = (step: Step): void => {
        steps.push(step)
        if (!json) say(sayStep(step))
      }
      const good = await probe(await planFor(config, source, options, tell))
      if (json) say(JSON.stringify({ source, good, steps }, undefined, 2))
      else say(good ? `mail can leave by ${source}` : `mail cannot leave by ${source}`)
      if (!good) process.exitCode = 1
    })
}

const sayStep = ({ name, result, says }: Step): string => `${result.padEnd(6)}  ${name.padEnd(8)}  ${says}`

/** @throws SluiceError for a configuration that is not good, an unknown source, a secret that is not there */
export const planFor = async (
  config: string,
  id: string,
  { to, timeout }: Options,
  tell: ProbePlan['tell'],
): Promise<ProbePlan> => {
  const folder = await findFolder(config)
  const configuration = await readConfiguration(folder)
  const source = configuration.egress?.sources[id]
  if (!source) throw new SluiceError('SLUICE_CONFIG_INVALID', `${folder.files}/egress.yaml: no source is named ${id}`)
  const names = new Names(configuration.sluice.resolvers)
  const common = { source, names, timeoutMs: timeout * 1000, tell, me: await nameOf(folder) }
  if (isRelay(source)) {
    const { host, port, tls, username, password } = source.relay
    const credentials =
      username !== undefined && password ? { username, password: await readSecret(password, folder.base) } : undefined
    return { ...common, to: host, port, tls, ...(credentials && { credentials }) }
  }
  if (to === undefined)
    throw new SluiceError('SLUICE_CONFIG_INVALID', `${id} is no relay: say whom to ask, --to DOMAIN`)
  return { ...common, to, ...(await manner(configuration, id, to, names)) }
}

/** Port and TLS as the limits of the lane say. */
const manner = async ({ shaping }: Configuration, id: string, to: string, names: Names) => {
  const shipped = await readFile(require.resolve('@sluice/core/data/providers.yaml'), 'utf8')
  const merged = mergeShaping(readShaping('providers.yaml', shipped), shaping)
  // What DNS does not say now is said by the probe.
  const hosts = await names.mailHosts(to).catch(() => [])
  const { provider, site } = compileCatalogue(merged).rollUp(
    to,
    hosts.map(({ name }) => name),
  )
  const { port, tls } = limitsOf(merged, { source: id, provider, site })
  return { port, tls }
}

/** The name Haraka goes by, for relays without an EHLO name. */
const nameOf = async ({ files }: ConfigurationFolder): Promise<string> => {
  try {
    return (await readFile(path.join(files, 'me'), 'utf8')).trim() || hostname()
  } catch {
    return hostname() // as Haraka does without that file
  }
}
