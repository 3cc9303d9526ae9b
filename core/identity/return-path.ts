// The signed return path (VERP): `b-<token>@<bounce domain>`. Reports that come back to it are known to be about a
// message of ours; one whose signature is wrong or old is refused at RCPT time.

import { signToken, verifyToken, type Keyring, type TokenSubject, type VerifiedToken } from './token'

const prefix = 'b-'
const form = /^b-([a-z2-7]{47})$/i

/** The whole address, at most 49 characters before the `@` (RFC 5321 4.5.3.1.1 allows 64). */
export const signReturnPath = (keys: Keyring, domain: string, subject: TokenSubject): string =>
  `${prefix}${signToken(keys, 'return_path', subject)}@${domain}`

/** True for a local part that claims to be a signed return path, whether or not the signature holds. */
export const looksLikeReturnPath = (localPart: string): boolean => localPart.toLowerCase().startsWith(prefix)

/**
 * @param now ms since 1970
 * @param maxAge ms; receivers queue for up to five days, some report weeks later
 */
export const verifyReturnPath = (keys: Keyring, localPart: string, now: number, maxAge: number): VerifiedToken => {
  const token = form.exec(localPart)?.[1]
  return token === undefined
    ? { ok: false, fault: 'malformed' }
    : verifyToken(keys, 'return_path', token.toLowerCase(), now, maxAge)
}
