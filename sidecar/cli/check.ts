// `sluice check`: every configuration file of a folder against its schema, and the secrets it names. Prints one line
// per complaint, `file:line: key: message`, as compilers do.

import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { readRuleFile } from '@sluice/core/bounce/rule'
import { validateRules } from '@sluice/core/bounce/validate'
import { ConfigError, sayComplaint, type Complaint } from '@sluice/core/config/document'
import { readEgress, isRelay, type EgressConfig, type SecretReference } from '@sluice/core/config/egress'
import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import { readShaping, readShapingDocument } from '@sluice/core/config/shaping'
import { readSidecar, type SidecarConfig } from '@sluice/core/config/sidecar'
import { readSluice, type SluiceConfig } from '@sluice/core/config/sluice'
import { messageOf } from '@sluice/core/errors'
import { checkNames } from '@sluice/core/shaping/names'
import { checkWarmups } from '@sluice/core/warmup/configured'

import { findFolder } from '../config/configuration'
import { plansWith } from '../config/plans'
import { readSecret } from '../config/secret'
import { shippedRules } from '../config/rules'

const readers: Readonly<Record<string, (file: string, text: string) => unknown>> = {
  'bounce.yaml': (file, text) => checkRules(file, text),
  'egress.yaml': readEgress,
  'feedback.yaml': readFeedback,
  'shaping.yaml': readShaping,
  'sidecar.yaml': readSidecar,
  'sluice.yaml': readSluice,
  'warmup.yaml': plansWith,
}

/** @throws ConfigError for what cannot be read, and for rules that have no effect or not the one they say */
const checkRules = (file: string, text: string): void => {
  const { value, complain } = readRuleFile(file, text)
  const findings = validateRules(shippedRules(), { file, text })
  const complaints = value.rules.flatMap(({ id }, index) =>
    findings.filter(({ rule }) => rule === `bounce/${id}`).map(({ says }) => complain(['rules', index, 'id'], says)),
  )
  if (complaints.length > 0) throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
}

export interface CheckResult {
  /** Files that are good, then those that are not there. */
  readonly good: readonly string[]
  readonly absent: readonly string[]
  readonly complaints: readonly string[]
}

/** @throws SluiceError SLUICE_CONFIG_UNREADABLE where there is no such folder */
export const checkFolder = async (given: string): Promise<CheckResult> => {
  const { files, base } = await findFolder(given)
  const [good, absent, complaints]: [string[], string[], string[]] = [[], [], []]
  for (const [name, read] of Object.entries(readers)) {
    const file = path.join(files, name)
    try {
      const value = read(file, await readFile(file, 'utf8'))
      const missing = await missingSecrets(name, value, base)
      complaints.push(...missing.map((message) => `${file}:1: ${message}`))
      if (missing.length === 0) good.push(file)
    } catch (error) {
      if (error instanceof ConfigError) complaints.push(...error.complaints.map(sayComplaint))
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT') absent.push(file)
      else complaints.push(`${file}:1: ${messageOf(error)}`)
    }
  }
  if (complaints.length === 0) {
    const together = await checkTogether(files)
    complaints.push(...together.map(sayComplaint))
    const faulty = new Set(together.map(({ file }) => file))
    return { good: good.filter((file) => !faulty.has(file)), absent, complaints }
  }
  return { good, absent, complaints }
}

/** What files, each good by itself, say about each other. */
const checkTogether = async (files: string): Promise<Complaint[]> => {
  const text = async (name: string): Promise<string | undefined> => {
    try {
      return await readFile(path.join(files, name), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
  const egressText = await text('egress.yaml')
  const egress = egressText === undefined ? undefined : readEgress('egress.yaml', egressText)
  const shipped = readShaping(
    'providers.yaml',
    await readFile(require.resolve('@sluice/core/data/providers.yaml'), 'utf8'),
  )
  const shaping = readShapingDocument(path.join(files, 'shaping.yaml'), (await text('shaping.yaml')) ?? '')
  const plans = plansWith('warmup.yaml', await text('warmup.yaml'))
  return [...checkNames(shaping, shipped, egress), ...checkWarmups(shaping, plans, egress)]
}

const missingSecrets = async (name: string, value: unknown, base: string): Promise<string[]> => {
  const complaints: string[] = []
  for (const { key, reference } of secretsIn(name, value)) {
    try {
      await readSecret(reference, base)
    } catch (error) {
      complaints.push(`${key}: ${messageOf(error)}`)
    }
  }
  return complaints
}

interface NamedSecret {
  readonly key: string
  readonly reference: SecretReference
}

const secretsIn = (name: string, value: unknown): NamedSecret[] => {
  if (name === 'egress.yaml') {
    return Object.entries((value as EgressConfig).sources).flatMap(([id, source]) =>
      isRelay(source) && source.relay.password
        ? [{ key: `sources.${id}.relay.password`, reference: source.relay.password }]
        : [],
    )
  }
  if (name === 'sidecar.yaml') {
    const { password } = (value as SidecarConfig).clickhouse
    return password ? [{ key: 'clickhouse.password', reference: password }] : []
  }
  if (name === 'feedback.yaml') {
    const { keys = [] } = (value as FeedbackConfig | undefined) ?? {}
    return keys.map(({ secret }, index) => ({ key: `keys.${index}.secret`, reference: secret }))
  }
  if (name === 'sluice.yaml') {
    const { recipient, recipient_key: reference } = value as SluiceConfig
    return recipient === 'hash' && reference ? [{ key: 'recipient_key', reference }] : []
  }
  return []
}
