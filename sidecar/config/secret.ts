// Secrets named in the configuration, from the environment or from a file. Never logged, never part of an error.

import { readFile } from 'node:fs/promises'
import path from 'node:path'

import type { SecretReference } from '@sluice/core/config/egress'
import { SluiceError } from '@sluice/core/errors'

/**
 * @param base folder to which a relative file refers
 * @throws SluiceError SLUICE_SECRET_MISSING
 */
export const readSecret = async (reference: SecretReference, base: string): Promise<string> => {
  if ('env' in reference) {
    const value = process.env[reference.env]
    if (!value) throw new SluiceError('SLUICE_SECRET_MISSING', `environment variable ${reference.env} is not set`)
    return value
  }
  const file = path.resolve(base, reference.file)
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new SluiceError('SLUICE_SECRET_MISSING', `secret file ${file} cannot be read`, { cause })
  }
}
