// What the feedback loop needs of the configuration, with its secrets read and its rules compiled. Follows changes; one
// that cannot be used leaves the last good settings in force.

import type { RuleSet } from '@sluice/core/bounce/classify'
import type { SecretReference } from '@sluice/core/config/egress'
import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { messageOf } from '@sluice/core/errors'
import { keyringOf } from '@sluice/core/identity/keyring'
import type { Keyring } from '@sluice/core/identity/token'
import { discretionOf, type Discretion } from '@sluice/core/outcome/recipient'

import type { Configuration } from '../config/configuration'
import type { LiveConfiguration } from '../config/live'
import { rulesFor } from '../config/rules'
import { readSecret } from '../config/secret'
import type { Log } from '../log'

export interface FeedbackSettings {
  /** Absent where there is no feedback.yaml: nothing is signed, taken or suppressed. */
  readonly signed?: { readonly config: FeedbackConfig; readonly keys: Keyring }
  readonly discretion: Discretion
  readonly rules: RuleSet
}

export class LiveFeedbackSettings {
  /** Why the configuration on disk is not in force; empty where it is. */
  fault = ''
  private reading: Promise<void> = Promise.resolve()

  private constructor(private settings: FeedbackSettings) {}

  /** @throws SluiceError SLUICE_SECRET_MISSING */
  static async open(configuration: LiveConfiguration, log: Log): Promise<LiveFeedbackSettings> {
    const { base } = configuration.folder
    const live = new LiveFeedbackSettings(await settingsOf(configuration.current, base))
    configuration.onChange((next) => {
      live.reading = live.reading.then(() => live.change(next, base, log))
    })
    return live
  }

  get current(): FeedbackSettings {
    return this.settings
  }

  private async change(next: Configuration, base: string, log: Log): Promise<void> {
    try {
      this.settings = await settingsOf(next, base)
      this.fault = ''
    } catch (error) {
      this.fault = messageOf(error)
      log.error({ complaint: this.fault }, 'feedback keeps the last good configuration')
    }
  }
}

const settingsOf = async ({ feedback, sluice, bounce }: Configuration, base: string): Promise<FeedbackSettings> => {
  const wanted: SecretReference[] = (feedback?.keys ?? []).map(({ secret }) => secret)
  if (sluice.recipient === 'hash') wanted.push(sluice.recipient_key ?? { env: 'SLUICE_RECIPIENT_KEY' })
  const secrets = new Map<string, string>()
  for (const reference of wanted) secrets.set(JSON.stringify(reference), await readSecret(reference, base))
  // Core asks synchronously for what has just been read.
  const secretOf = (reference: SecretReference): string => secrets.get(JSON.stringify(reference)) ?? ''
  return {
    ...(feedback && { signed: { config: feedback, keys: keyringOf(feedback, secretOf) } }),
    discretion: discretionOf(sluice, secretOf),
    rules: rulesFor(bounce),
  }
}
