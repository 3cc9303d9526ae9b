// The signed identity of an outgoing message: a short keyed token that leads a report back to message and recipient.
// It cannot be forged, moved to another purpose, or bound to another recipient; it lapses by the age of the message.
//
//   key id (1 byte) | message id (16, UUIDv7) | recipient tag (4) | MAC (8)      = 29 bytes, 47 characters
//
// The recipient tag is a keyed hash of the address, so that an address named in a report can be checked against the
// token without a look-up; tag 0 = the message had several recipients. Stream, tenant and source are found by the
// message id in the outcomes.

import { createHmac, timingSafeEqual } from 'node:crypto'

import { decodeBase32, encodeBase32 } from './base32'

/** What a token may be used for; part of what is signed. */
export type TokenPurpose = 'return_path' | 'header' | 'unsubscribe'

export interface IdentityKey {
  /** 0..255; names the key in the token, so that keys can be rotated. */
  readonly id: number
  readonly secret: Uint8Array
}

/** The first key signs; all of them verify. */
export type Keyring = readonly [IdentityKey, ...IdentityKey[]]

export interface TokenSubject {
  /** UUIDv7 of the message; its time is the token's time of issue. */
  readonly message_id: string
  /** Absent where the message had several recipients. */
  readonly recipient?: string
}

export type TokenFault = 'malformed' | 'unknown_key' | 'forged' | 'expired' | 'not_yet_valid'

export type VerifiedToken =
  | {
      readonly ok: true
      readonly message_id: string
      /** ms since 1970 */
      readonly issued: number
      /** True if the token was issued for this very address; false also where it was for several. */
      readonly isFor: (recipient: string) => boolean
      /** The message had several recipients: any of them may be meant. */
      readonly several: boolean
    }
  | { readonly ok: false; readonly fault: TokenFault }

const tagOffset = 17
const macOffset = 21
const tokenBytes = 29
const tokenLength = 47

/** Clocks of several hosts may differ by this much, ms. */
const clockTolerance = 5 * 60 * 1000

/** @throws RangeError where `message_id` is not a UUID: the caller made it, so that is a fault of ours */
export const signToken = (keys: Keyring, purpose: TokenPurpose, subject: TokenSubject): string => {
  const [key] = keys
  const token = Buffer.alloc(tokenBytes)
  const hex = subject.message_id.replaceAll('-', '')
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw new RangeError(`not a UUID: ${subject.message_id}`)
  token[0] = key.id
  token.write(hex, 1, 'hex')
  if (subject.recipient !== undefined) tagOf(key, subject.recipient).copy(token, tagOffset)
  macOf(key, purpose, token.subarray(0, macOffset)).copy(token, macOffset)
  return encodeBase32(token)
}

/**
 * @param now ms since 1970
 * @param maxAge ms since the message was accepted
 */
export const verifyToken = (
  keys: Keyring,
  purpose: TokenPurpose,
  text: string,
  now: number,
  maxAge: number,
): VerifiedToken => {
  const bytes = text.length === tokenLength ? decodeBase32(text) : undefined
  if (bytes?.length !== tokenBytes) return { ok: false, fault: 'malformed' }
  const token = Buffer.from(bytes)
  const key = keys.find(({ id }) => id === token[0])
  if (!key) return { ok: false, fault: 'unknown_key' }
  const signed = token.subarray(0, macOffset)
  if (!timingSafeEqual(macOf(key, purpose, signed), token.subarray(macOffset))) return { ok: false, fault: 'forged' }

  const issued = token.readUIntBE(1, 6)
  if (issued > now + clockTolerance) return { ok: false, fault: 'not_yet_valid' }
  if (now - issued > maxAge) return { ok: false, fault: 'expired' }
  const tag = token.subarray(tagOffset, macOffset)
  return {
    ok: true,
    message_id: uuidOf(token.subarray(1, tagOffset)),
    issued,
    isFor: (recipient) => tagOf(key, recipient).equals(tag),
    several: tag.every((byte) => byte === 0),
  }
}

/** Never all zero: that stands for several recipients. */
const tagOf = (key: IdentityKey, recipient: string): Buffer => {
  const tag = hmac(key, `recipient\0${recipient.trim().toLowerCase()}`, 4)
  if (tag.every((byte) => byte === 0)) tag[0] = 1
  return tag
}

const macOf = (key: IdentityKey, purpose: TokenPurpose, signed: Buffer): Buffer =>
  hmac(key, Buffer.concat([Buffer.from(`${purpose}\0`), signed]), 8)

const hmac = (key: IdentityKey, data: string | Buffer, length: number): Buffer =>
  createHmac('sha256', key.secret).update(data).digest().subarray(0, length)

const uuidOf = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
