// The keys of feedback.yaml with their secrets read: what signs and verifies. Reading is the caller's, so that core has
// no I/O; a secret that is too short is refused, because everything rests on it.

import type { FeedbackConfig } from '../config/feedback'
import type { SecretReference } from '../config/egress'
import { SluiceError } from '../errors'
import type { IdentityKey, Keyring } from './token'

const leastBytes = 16

/** @throws SluiceError SLUICE_SECRET_MISSING, by `readSecret` or where a secret is shorter than 16 bytes */
export const keyringOf = (config: FeedbackConfig, readSecret: (reference: SecretReference) => string): Keyring => {
  const keys = config.keys.map(({ id, secret }): IdentityKey => {
    const bytes = Buffer.from(readSecret(secret), 'utf8')
    if (bytes.length < leastBytes) {
      throw new SluiceError('SLUICE_SECRET_MISSING', `the secret of key ${id} is shorter than ${leastBytes} bytes`)
    }
    return { id, secret: bytes }
  })
  const [first, ...rest] = keys
  if (!first) throw new SluiceError('SLUICE_SECRET_MISSING', 'feedback.yaml lists no key')
  return [first, ...rest]
}
