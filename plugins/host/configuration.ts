// The configuration folder of this Haraka: sluice.yaml, egress.yaml, shaping.yaml (over the shipped providers),
// feedback.yaml, bounce.yaml (over the shipped rules).
// Read at first use, watched, and replaced as a whole: if any file is bad, everything stays as it was and every
// complaint is logged with file, line and key. At first use a bad file is an error, so that Haraka does not start.

import { readFileSync, watch, type FSWatcher } from 'node:fs'
import path from 'node:path'

import type { RuleSet } from '@sluice/core/bounce/ruleset'
import { loadBounceRules } from '@sluice/core/bounce/shipped'
import { ConfigError, sayComplaint } from '@sluice/core/config/document'
import { readEgress } from '@sluice/core/config/egress'
import { readFeedback } from '@sluice/core/config/feedback'
import { mergeShaping, readShaping } from '@sluice/core/config/shaping'
import { readSluice } from '@sluice/core/config/sluice'
import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Configuration, ConfigurationSource } from './contract'

export interface ConfigurationLog {
  notice(text: string): void
  error(text: string): void
}

type Listener = (now: Configuration, before: Configuration) => void

const names = ['sluice.yaml', 'egress.yaml', 'shaping.yaml', 'feedback.yaml', 'bounce.yaml'] as const
/** Editors write a file in several steps; reading between two of them would be a false alarm. */
const settleMs = 200

interface Texts {
  readonly sluice: string
  readonly egress: string | undefined
  readonly shaping: string
  readonly feedback: string | undefined
  readonly bounce: string | undefined
  readonly shipped: string
}

export class ConfigurationFolder implements ConfigurationSource {
  private loaded: { readonly texts: Texts; readonly value: Configuration } | undefined
  private readonly listeners: Listener[] = []
  private watcher: FSWatcher | undefined
  private settling: NodeJS.Timeout | undefined

  /**
   * @param folder the folder config/ of Haraka
   * @param shippedProviders file of the shipped providers
   */
  constructor(
    private readonly folder: string,
    private readonly shippedProviders: string,
    private readonly log: ConfigurationLog,
  ) {}

  get current(): Configuration {
    this.loaded ??= this.read()
    return this.loaded.value
  }

  onChange(listener: Listener): void {
    this.listeners.push(listener)
  }

  /**
   * Reads the files, and watches the folder until `close`; does not keep the process alive.
   * @throws ConfigError if a file is bad
   */
  start(): void {
    this.loaded ??= this.read()
    this.watcher ??= watch(this.folder, { persistent: false }, () => {
      clearTimeout(this.settling)
      this.settling = setTimeout(() => this.reload(), settleMs).unref()
    }).on('error', (error) => this.log.error(`configuration: ${this.folder} is no longer watched: ${error.message}`))
  }

  close(): void {
    clearTimeout(this.settling)
    this.watcher?.close()
    this.watcher = undefined
  }

  /** Reads the files again; says whether the configuration has changed. */
  reload(): boolean {
    const before = this.loaded
    try {
      const texts = this.readTexts()
      if (before && same(before.texts, texts)) return false
      this.loaded = { texts, value: interpret(texts, this.shippedProviders) }
    } catch (thrown) {
      const complaints = thrown instanceof ConfigError ? thrown.complaints.map(sayComplaint) : [messageOf(thrown)]
      for (const complaint of complaints) this.log.error(`configuration refused, the last good one stays: ${complaint}`)
      return false
    }
    this.log.notice('configuration: loaded')
    if (before) for (const listener of this.listeners) this.tell(listener, this.loaded.value, before.value)
    return true
  }

  private tell(listener: Listener, now: Configuration, before: Configuration): void {
    try {
      listener(now, before)
    } catch (thrown) {
      this.log.error(`configuration: a listener failed: ${messageOf(thrown)}`)
    }
  }

  private read() {
    const texts = this.readTexts()
    return { texts, value: interpret(texts, this.shippedProviders) }
  }

  private readTexts(): Texts {
    const [sluice, egress, shaping, feedback, bounce] = names.map((name) => readText(path.join(this.folder, name)))
    return {
      sluice: sluice ?? '',
      egress,
      shaping: shaping ?? '',
      feedback,
      bounce,
      shipped: readText(this.shippedProviders) ?? '',
    }
  }
}

const interpret = (texts: Texts, shippedProviders: string): Configuration => {
  const faults: unknown[] = []
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (thrown) {
      faults.push(thrown)
      return undefined
    }
  }
  const { egress: egressText, feedback: feedbackText, bounce: bounceText } = texts
  const sluice = attempt(() => readSluice('sluice.yaml', texts.sluice))
  const egress = egressText === undefined ? undefined : attempt(() => readEgress('egress.yaml', egressText))
  const feedback = feedbackText === undefined ? undefined : attempt(() => readFeedback('feedback.yaml', feedbackText))
  const bounceRules = attempt(() => compiled(bounceText))
  const shipped = attempt(() => readShaping(path.basename(shippedProviders), texts.shipped))
  const own = attempt(() => readShaping('shaping.yaml', texts.shaping))
  if (!sluice || !shipped || !own || !bounceRules || faults.length > 0) throw together(faults)
  return {
    sluice,
    bounceRules,
    shaping: mergeShaping(shipped, own),
    ...(egress ? { egress } : {}),
    ...(feedback ? { feedback } : {}),
  }
}

let lastCompiled: { readonly text: string | undefined; readonly rules: RuleSet } | undefined

/** Compiling takes a few hundred milliseconds: a change of another file must not cost that. */
const compiled = (text: string | undefined): RuleSet => {
  if (!lastCompiled || lastCompiled.text !== text) {
    const operator = text === undefined ? undefined : { file: 'bounce.yaml', text }
    lastCompiled = { text, rules: loadBounceRules(readShipped, operator) }
  }
  return lastCompiled.rules
}

const readShipped = (file: string): string => readFileSync(require.resolve(`@sluice/core/data/${file}`), 'utf8')

/** All complaints of all files in one error. */
const together = (faults: readonly unknown[]): unknown => {
  const complaints = faults.flatMap((fault) => (fault instanceof ConfigError ? fault.complaints : []))
  const [other] = faults.filter((fault) => !(fault instanceof ConfigError))
  return other ?? new ConfigError('SLUICE_CONFIG_INVALID', complaints)
}

const readText = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SluiceError('SLUICE_CONFIG_UNREADABLE', `${file}: ${messageOf(cause)}`, { cause })
  }
}

const same = (a: Texts, b: Texts): boolean => (Object.keys(a) as (keyof Texts)[]).every((name) => a[name] === b[name])
