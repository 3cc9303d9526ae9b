import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeBase32, encodeBase32 } from '@sluice/core/identity/base32'
import { looksLikeReturnPath, signReturnPath, verifyReturnPath } from '@sluice/core/identity/return-path'
import { signToken, verifyToken, type Keyring } from '@sluice/core/identity/token'

const day = 86_400_000
const key = (id: number) => ({ id, secret: Buffer.from(`secret number ${id} of the test`) })
const keys: Keyring = [key(1)]
const issued = Date.UTC(2026, 0, 15)
const message_id = `${issued
  .toString(16)
  .padStart(12, '0')
  .replace(/^(.{8})/, '$1-')}-7abc-8def-0123456789ab`
const recipient = 'Anna@Example.com'

describe('base32', () => {
  it('gives back every byte string, in any letter case, in one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const text = encodeBase32(bytes)
        expect(decodeBase32(text.toUpperCase())).toEqual(bytes)
        expect(Buffer.from(bytes).equals(Buffer.from(decodeBase32(text) ?? []))).toBe(true)
      }),
    )
  })

  it.each(['a', 'b1', 'ab=', 'ää', 'bb'])('refuses %j', (text) => {
    expect(decodeBase32(text)).toBeUndefined()
  })
})

describe('a signed return path', () => {
  const address = signReturnPath(keys, 'bounce.example.com', { message_id, recipient })
  const [local = ''] = address.split('@')

  it('fits into a local part and leads back to message and recipient', () => {
    expect(local.length).toBeLessThanOrEqual(64)
    expect(looksLikeReturnPath(local)).toBe(true)
    const verified = verifyReturnPath(keys, local, issued + day, 30 * day)
    expect(verified).toMatchObject({ ok: true, message_id, issued, several: false })
    expect(verified.ok && verified.isFor('anna@example.com')).toBe(true)
    expect(verified.ok && verified.isFor('bob@example.com')).toBe(false)
  })

  it('survives the loss of letter case', () => {
    expect(verifyReturnPath(keys, local.toUpperCase(), issued, day).ok).toBe(true)
  })

  it('says that it stands for several recipients', () => {
    const [several = ''] = signReturnPath(keys, 'x.example', { message_id }).split('@')
    const verified = verifyReturnPath(keys, several, issued, day)
    expect(verified).toMatchObject({ ok: true, several: true })
    expect(verified.ok && verified.isFor(recipient)).toBe(false)
  })

  it('is refused with any character changed', () => {
    for (let at = 2; at < local.length; at++) {
      const other = local[at] === 'a' ? 'b' : 'a'
      const changed = local.slice(0, at) + other + local.slice(at + 1)
      expect(verifyReturnPath(keys, changed, issued, day).ok).toBe(false)
    }
  })

  it('lapses, and is not valid before its message', () => {
    expect(verifyReturnPath(keys, local, issued + 31 * day, 30 * day)).toEqual({ ok: false, fault: 'expired' })
    expect(verifyReturnPath(keys, local, issued - day, 30 * day)).toEqual({ ok: false, fault: 'not_yet_valid' })
  })

  it.each(['', 'b-', 'b-short', 'postmaster', `b-${'1'.repeat(47)}`, `b-${'a'.repeat(48)}`])('is not %j', (wrong) => {
    expect(verifyReturnPath(keys, wrong, issued, day)).toEqual({ ok: false, fault: 'malformed' })
  })
})

describe('keys', () => {
  const token = signToken(keys, 'header', { message_id, recipient })

  it('can be rotated: the old one verifies as long as it is listed', () => {
    expect(verifyToken([key(2), key(1)], 'header', token, issued, day).ok).toBe(true)
    expect(verifyToken([key(2)], 'header', token, issued, day)).toEqual({ ok: false, fault: 'unknown_key' })
  })

  it('of another secret under the same id forge nothing', () => {
    const forger: Keyring = [{ id: 1, secret: Buffer.from('guess') }]
    const forged = signToken(forger, 'header', { message_id, recipient })
    expect(verifyToken(keys, 'header', forged, issued, day)).toEqual({ ok: false, fault: 'forged' })
  })

  it('bind a token to its purpose', () => {
    expect(verifyToken(keys, 'unsubscribe', token, issued, day)).toEqual({ ok: false, fault: 'forged' })
  })
})

it('nothing from outside makes verification throw', () => {
  fc.assert(fc.property(fc.string({ maxLength: 80 }), (text) => !verifyReturnPath(keys, text, issued, day).ok))
})
