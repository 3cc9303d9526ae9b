// The one-click unsubscribe link (RFC 8058): `<url>/<token>.<address>`. The address is in it, base64url, so that the
// endpoint needs nothing but the link to know who wants no more mail; the token proves that we wrote it for them.

import { signToken, verifyToken, type Keyring, type TokenFault } from './token'

const form = /^([a-z2-7]{47})\.([A-Za-z0-9_-]{1,430})$/

export type VerifiedLink =
  | { readonly ok: true; readonly message_id: string; readonly recipient: string }
  | { readonly ok: false; readonly fault: TokenFault }

/** @param url of the endpoint, with or without a slash at its end */
export const unsubscribeLink = (keys: Keyring, url: string, message_id: string, recipient: string): string => {
  const token = signToken(keys, 'unsubscribe', { message_id, recipient })
  const name = Buffer.from(recipient.trim().toLowerCase(), 'utf8').toString('base64url')
  return `${url.replace(/\/$/, '')}/${token}.${name}`
}

/**
 * @param text what follows the URL
 * @param now ms since 1970
 * @param maxAge ms since the message was accepted
 */
export const verifyUnsubscribe = (keys: Keyring, text: string, now: number, maxAge: number): VerifiedLink => {
  const [, token, name] = form.exec(text) ?? []
  if (token === undefined || name === undefined) return { ok: false, fault: 'malformed' }
  const verified = verifyToken(keys, 'unsubscribe', token, now, maxAge)
  if (!verified.ok) return verified
  const recipient = Buffer.from(name, 'base64url').toString('utf8')
  return verified.isFor(recipient)
    ? { ok: true, message_id: verified.message_id, recipient }
    : { ok: false, fault: 'forged' }
}

/** What follows the endpoint's URL in a List-Unsubscribe header of ours; undefined where it is not one. */
export const linkIn = (header: string): string | undefined =>
  /\/([a-z2-7]{47}\.[A-Za-z0-9_-]{1,430})>/.exec(header.slice(0, 8192))?.[1]
