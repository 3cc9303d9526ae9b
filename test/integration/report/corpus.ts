// The labelled development set, where this checkout has one beside it. Tests that need it say so and are skipped
// otherwise: no mail of it is in the repository.

import { existsSync } from 'node:fs'
import path from 'node:path'

const folder = path.join(__dirname, '../../../../shared/data/bounces')

/** The folder of the set; undefined, with a warning, where it is not there. */
export const corpusFolder = (): string | undefined => {
  if (existsSync(path.join(folder, 'replies.dev.jsonl'))) return folder
  console.warn('skipped: no labelled replies and reports beside this checkout (../shared/data/bounces)')
  return undefined
}
