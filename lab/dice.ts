// Dice that fall the same way every time: numbers in [0,1) from a seed and words, or a sequence of them from a seed.
// Pure. What depends on an address (unknown user, full mailbox) is drawn from the address, so that it never changes.

/** FNV-1a over UTF-16 code units, 32 bits. */
const fnv = (text: string, start: number): number => {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
const mix = (hash: number): number => {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

const offset = 0x811c9dc5

/** A number in [0,1) that depends on the words alone. */
export const drawOf = (...words: readonly string[]): number => {
  let hash = offset
  for (const word of words) hash = fnv('\u0000', fnv(word, hash))
  return mix(hash) / 0x1_0000_0000
}

/** A sequence of numbers in [0,1), the same for the same words (splitmix32). */
export const diceOf = (...words: readonly string[]): (() => number) => {
  let state = Math.floor(drawOf(...words) * 0x1_0000_0000)
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    return mix(state) / 0x1_0000_0000
  }
}
