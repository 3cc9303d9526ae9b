// Where a running sidecar listens, in a file of its data folder: how the command line finds one on a free port.

import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

const fileIn = (data: string): string => path.join(data, 'http.url')

export const writeAddress = (data: string, url: string): Promise<void> => writeFile(fileIn(data), `${url}\n`)

export const removeAddress = (data: string): Promise<void> => rm(fileIn(data), { force: true })

/** Undefined where no sidecar runs on this data folder. */
export const readAddress = async (data: string): Promise<string | undefined> => {
  try {
    return (await readFile(fileIn(data), 'utf8')).trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
