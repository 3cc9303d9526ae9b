// What outcome records say of a recipient: the address, a keyed hash of it, or nothing; the same in reply texts, which
// often repeat the address, and on the suppression list.

import { createHmac } from 'node:crypto'

import type { SecretReference } from '../config/egress'
import type { SluiceConfig } from '../config/sluice'

export type Discretion =
  | { readonly mode: 'plain' }
  | { readonly mode: 'omit' }
  | {
      readonly mode: 'hash'
      /** The same address gives the same hash under the same key, so that recipients can be counted. */
      readonly key: string
    }

/**
 * What sluice.yaml says. Reading is the caller's, so that core has no I/O.
 * @throws SluiceError SLUICE_SECRET_MISSING, by `readSecret`
 */
export const discretionOf = (config: SluiceConfig, readSecret: (reference: SecretReference) => string): Discretion =>
  config.recipient === 'hash'
    ? { mode: 'hash', key: readSecret(config.recipient_key ?? { env: 'SLUICE_RECIPIENT_KEY' }) }
    : { mode: config.recipient }

const longest = 320

/** HMAC-SHA-256 (hex) of the lower-case address, the address, or undefined. */
export const sayRecipient = (address: string, discretion: Discretion): string | undefined => {
  if (discretion.mode === 'omit') return undefined
  if (discretion.mode === 'plain') return address.slice(0, longest)
  return hashOf(address, discretion.key)
}

/**
 * The name under which a recipient stands on the suppression list: as the records say it, so that an outcome can
 * suppress; where they say nothing, the address.
 */
export const listedName = (address: string, discretion: Discretion): string =>
  discretion.mode === 'hash' ? hashOf(address, discretion.key) : address.trim().toLowerCase()

const hashOf = (address: string, key: string): string =>
  createHmac('sha256', key).update(address.trim().toLowerCase()).digest('hex')

/** `text` without the address, unless it may be said. */
export const hushReply = (text: string, address: string, discretion: Discretion): string => {
  if (discretion.mode === 'plain' || address === '') return text
  const wanted = address.toLowerCase()
  const lower = text.toLowerCase()
  // Lower case can be longer than what it was made of; then places do not match and everything goes.
  if (lower.length !== text.length) return lower.replaceAll(wanted, '<recipient>')
  let rest = ''
  let from = 0
  for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, from)) {
    rest += `${text.slice(from, at)}<recipient>`
    from = at + wanted.length
  }
  return rest + text.slice(from)
}
