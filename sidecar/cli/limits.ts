// `sluice check --limits [SOURCE@]PROVIDER`: the limits that hold in a lane, merged from what is built in, the shipped
// providers and shaping.yaml, each value with where it comes from.

import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { isRelay, readEgress } from '@sluice/core/config/egress'
import { mergeShaping, readShapingDocument } from '@sluice/core/config/shaping'
import { SluiceError } from '@sluice/core/errors'
import { compileCatalogue } from '@sluice/core/provider/catalogue'
import { explainLimits, mergeLimits, type LaneName, type LimitLine } from '@sluice/core/shaping/limits'

import { findFolder } from '../config/configuration'
import { sayTable } from './table'

export interface LimitsOfLane {
  /** What the limits are of, for people. */
  readonly lane: string
  readonly limits: readonly LimitLine[]
}

/**
 * @param named `PROVIDER`, `SOURCE@PROVIDER`, or a domain of a provider in its place
 * @throws ConfigError, SluiceError SLUICE_CONFIG_INVALID where no source has the name
 */
export const limitsOfLane = async (given: string, named: string): Promise<LimitsOfLane> => {
  const { files } = await findFolder(given)
  const [provider = '', source] = named.split('@').toReversed()
  const shipped = require.resolve('@sluice/core/data/providers.yaml')
  const documents = [
    readShapingDocument('providers.yaml (shipped)', await readFile(shipped, 'utf8')),
    readShapingDocument(path.join(files, 'shaping.yaml'), await textOf(path.join(files, 'shaping.yaml'))),
  ] as const
  const merged = mergeShaping(documents[0].value, documents[1].value)
  const known = Object.hasOwn(merged.providers, provider) ? provider : compileCatalogue(merged).byDomain(provider)
  const relay = source !== undefined && (await isRelayIn(path.join(files, 'egress.yaml'), source))
  const place: LaneName = relay ? {} : known !== undefined ? { provider: known } : { provider, site: provider }
  const lane: LaneName = source === undefined ? place : { ...place, source }
  const towards = relay
    ? 'everybody: a relay is one receiver'
    : `${known ?? provider}${known === undefined ? ' (a site nobody has named)' : ''}`
  return {
    lane: `${source ?? 'any source'} to ${towards}`,
    limits: explainLimits(mergeLimits(documents, lane)),
  }
}

export const showLimits = ({ lane, limits }: LimitsOfLane): string =>
  `limits of ${lane}\n\n${sayTable(
    ['limit', 'value', 'from'],
    limits.map(({ name, value, origin }) => [name, value, origin]),
  )}`

const textOf = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

const isRelayIn = async (file: string, source: string): Promise<boolean> => {
  const found = readEgress(file, await readFile(file, 'utf8')).sources[source]
  if (!found) throw new SluiceError('SLUICE_CONFIG_INVALID', `${file}: no source is named ${source}`)
  return isRelay(found)
}
