// The configuration folder as the sidecar sees it: sidecar.yaml of its own and what it shares with the plugins
// (sluice.yaml, egress.yaml, shaping.yaml, warmup.yaml, feedback.yaml, bounce.yaml). Read as a whole: all files are
// good, or every complaint of every file is in one error and nothing is returned. An absent file means its defaults;
// without egress.yaml there is nothing to steer, without feedback.yaml nothing comes back.

import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'

import { readRuleFile } from '@sluice/core/bounce/rule'
import { ConfigError, type Complaint } from '@sluice/core/config/document'
import { readEgress, type EgressConfig } from '@sluice/core/config/egress'
import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import { readShapingDocument, type ShapingConfig } from '@sluice/core/config/shaping'
import { readSidecar, type SidecarConfig } from '@sluice/core/config/sidecar'
import { readSluice, type SluiceConfig } from '@sluice/core/config/sluice'
import { messageOf, SluiceError } from '@sluice/core/errors'
import { checkWarmups } from '@sluice/core/warmup/configured'
import type { Plans } from '@sluice/core/warmup/register'

import { plansWith } from './plans'

export interface Configuration {
  readonly sidecar: SidecarConfig
  readonly sluice: SluiceConfig
  readonly shaping: ShapingConfig
  /** Warm-up plans: those of warmup.yaml over the shipped ones. */
  readonly plans: Plans
  /** Absent where there is no egress.yaml. */
  readonly egress?: EgressConfig
  /** Absent where there is no feedback.yaml. */
  readonly feedback?: FeedbackConfig
  /** Text of bounce.yaml, the operator's rules; absent where there is none. */
  readonly bounce?: string
}

export const configurationFiles = [
  'sidecar.yaml',
  'sluice.yaml',
  'egress.yaml',
  'shaping.yaml',
  'warmup.yaml',
  'feedback.yaml',
  'bounce.yaml',
] as const
const optional: ReadonlySet<string> = new Set(['egress.yaml', 'warmup.yaml', 'feedback.yaml', 'bounce.yaml'])

export interface ConfigurationFolder {
  /** Where the YAML files are. */
  readonly files: string
  /** The Haraka directory above it, to which relative paths in the files refer. */
  readonly base: string
}

/**
 * Accepts a Haraka directory or its config folder.
 * @throws SluiceError SLUICE_CONFIG_UNREADABLE where it is not a folder
 */
export const findFolder = async (given: string): Promise<ConfigurationFolder> => {
  const folder = path.resolve(given)
  if (!(await isFolder(folder))) throw new SluiceError('SLUICE_CONFIG_UNREADABLE', `${folder} is not a folder`)
  const inside = path.join(folder, 'config')
  return (await isFolder(inside)) ? { files: inside, base: folder } : { files: folder, base: path.dirname(folder) }
}

const isFolder = async (folder: string): Promise<boolean> => {
  try {
    return (await stat(folder)).isDirectory()
  } catch {
    return false // not there, or not for us: the caller says which path it was
  }
}

/** @throws ConfigError with every complaint; SluiceError SLUICE_CONFIG_UNREADABLE where a file cannot be read */
export const readConfiguration = async (folder: ConfigurationFolder): Promise<Configuration> => {
  const complaints: Complaint[] = []
  const read = async <T>(name: string, parse: (file: string, text: string) => T): Promise<T | undefined> => {
    const text = await textOf(path.join(folder.files, name))
    if (text === undefined && optional.has(name)) return undefined
    try {
      return parse(name, text ?? '')
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      complaints.push(...error.complaints)
      return undefined
    }
  }
  const sidecar = await read('sidecar.yaml', readSidecar)
  const sluice = await read('sluice.yaml', readSluice)
  const egress = await read('egress.yaml', readEgress)
  const document = await read('shaping.yaml', readShapingDocument)
  const plans = (await read('warmup.yaml', plansWith)) ?? plansWith()
  if (document) complaints.push(...checkWarmups(document, plans, egress))
  const shaping = document?.value
  const feedback = await read('feedback.yaml', readFeedback)
  const bounce = await read('bounce.yaml', checkedRules)
  if (!sidecar || !sluice || !shaping || complaints.length > 0) {
    throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
  }
  return {
    sidecar,
    sluice,
    shaping,
    plans,
    ...(egress && { egress }),
    ...(feedback && { feedback }),
    ...(bounce !== undefined && { bounce }),
  }
}

const checkedRules = (file: string, text: string): string => {
  readRuleFile(file, text)
  return text
}

const textOf = async (file: string): Promise<string | undefined> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SluiceError('SLUICE_CONFIG_UNREADABLE', `${file}: ${messageOf(error)}`, { cause: error })
  }
}
