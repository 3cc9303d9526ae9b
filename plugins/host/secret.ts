// A secret named in the configuration, read from the environment or from a file.

import { readFileSync } from 'node:fs'

import type { SecretReference } from '@sluice/core/config/egress'
import { messageOf, SluiceError } from '@sluice/core/errors'

/** @throws SluiceError SLUICE_SECRET_MISSING where it is not set or is empty */
export const readSecret = (reference: SecretReference): string => {
  const [value, where] =
    'env' in reference
      ? [process.env[reference.env], `environment variable ${reference.env}`]
      : [readFirstLine(reference.file), `file ${reference.file}`]
  if (!value) throw new SluiceError('SLUICE_SECRET_MISSING', `${where} is not set`)
  return value
}

const readFirstLine = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/, 1)[0]
  } catch (cause) {
    throw new SluiceError('SLUICE_SECRET_MISSING', `file ${file}: ${messageOf(cause)}`, { cause })
  }
}
