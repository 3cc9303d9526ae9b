// The signed token in the header of outgoing mail. Reports that carry the header of the original bring it back.

import { signToken, verifyToken, type Keyring, type TokenSubject, type VerifiedToken } from './token'

/** Ours; what a submitter writes there is replaced. */
export const tokenHeader = 'X-Sluice-Token'
/** RFC 9477 5.2; goes with CFBL-Address and carries the same token. */
export const cfblIdHeader = 'CFBL-Feedback-ID'

export const signHeaderToken = (keys: Keyring, subject: TokenSubject): string => signToken(keys, 'header', subject)

/**
 * @param value of one of the header fields
 * @param now ms since 1970
 * @param maxAge ms
 */
export const verifyHeaderToken = (keys: Keyring, value: string, now: number, maxAge: number): VerifiedToken =>
  verifyToken(keys, 'header', value.trim().toLowerCase(), now, maxAge)
