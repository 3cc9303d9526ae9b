// Base32 (RFC 4648 section 6) in lower case without padding: local parts of addresses may lose their letter case on
// the way back, so base64 cannot be used there.

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const values = new Map(Array.from(alphabet, (letter, value) => [letter, value]))

export const encodeBase32 = (bytes: Uint8Array): string => {
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((buffer >>> bits) & 31)
    }
    buffer &= (1 << bits) - 1
  }
  return bits > 0 ? text + alphabet.charAt((buffer << (5 - bits)) & 31) : text
}

/** Letter case does not matter. Undefined where a character is foreign or the spare bits are not zero. */
export const decodeBase32 = (text: string): Uint8Array | undefined => {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let buffer = 0
  let bits = 0
  let at = 0
  for (const letter of text.toLowerCase()) {
    const value = values.get(letter)
    if (value === undefined) return undefined
    buffer = (buffer << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = buffer >>> bits
      buffer &= (1 << bits) - 1
    }
  }
  // A token has one spelling only: left-over bits must be zero, and fewer than a character's.
  return bits < 5 && buffer === 0 ? bytes : undefined
}
