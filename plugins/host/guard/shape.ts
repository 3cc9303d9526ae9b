// Recognises the Haraka this package was written for: its version, and the functions that are replaced, by what is
// written in them. Another Haraka may do other things in the same place; there a guard steps aside, with one warning.

import { SluiceError } from '@sluice/core/errors'

/** The versions whose sources were read. */
const known = /^3\.3\.\d+$/

export const isKnownVersion = (version: string): boolean => known.test(version)

/** A function as it must be for its replacement to be right. */
export interface Shape {
  readonly name: string
  /** Texts its source must contain. */
  readonly mentions: readonly string[]
}

/**
 * @throws SluiceError SLUICE_HOST_UNKNOWN where `holder[shape.name]` is not the function that is known
 */
export const expectShape = (holder: object, shape: Shape): void => {
  const found: unknown = Reflect.get(holder, shape.name)
  if (typeof found !== 'function') {
    throw new SluiceError('SLUICE_HOST_UNKNOWN', `${shape.name} is not a function`)
  }
  const source = Function.prototype.toString.call(found)
  const missing = shape.mentions.find((text) => !source.includes(text))
  if (missing !== undefined) {
    throw new SluiceError('SLUICE_HOST_UNKNOWN', `${shape.name} does not mention \`${missing}\``)
  }
}
