// The demo's folder: emptied before every run, so it must be one that a demo made.

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { Trouble } from '../trouble'

const marker = '.sluice-demo'

/** @throws Trouble where the folder holds anything that no demo has put there */
export const checkFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true })
  const names = await readdir(folder)
  if (names.length > 0 && !names.includes(marker)) {
    throw new Trouble(`${folder} is not empty and no demo has made it: name another folder`)
  }
  await writeFile(path.join(folder, marker), '')
}

/** Removes everything but what says whose folder it is. */
export const emptyFolder = async (folder: string, keep: readonly string[]): Promise<void> => {
  for (const name of await readdir(folder)) {
    if (name !== marker && !keep.includes(name)) await rm(path.join(folder, name), { recursive: true })
  }
}
