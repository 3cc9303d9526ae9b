// One stack per data folder: a file with our pid. A file whose process is gone, or whose pid is another program's now,
// is taken over.

import { mkdir, open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { Trouble } from './trouble'

/** The file that says whose the folder is. */
export const claimFile = 'sluice.pid'

/** What every process that claims a folder has in its command line. */
const program = 'run.cjs'

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Whether a process with this pid is one of ours; where /proc cannot tell, it is. */
const isOurs = async (pid: number): Promise<boolean> => {
  if (!isAlive(pid)) return false
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => program)
  return command.includes(program)
}

/**
 * Claims `folder` (made where absent) for this process; answers the way to give it back.
 * @throws Trouble where a living process has it
 */
export const claim = async (folder: string): Promise<() => Promise<void>> => {
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, claimFile)
  for (;;) {
    try {
      const handle = await open(file, 'wx')
      await handle.writeFile(String(process.pid))
      await handle.close()
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(await readFile(file, 'utf8').catch(() => ''))
    if (owner > 0 && owner !== process.pid && (await isOurs(owner))) {
      throw new Trouble(`${folder} is in use by process ${owner}: stop that one first`)
    }
    await rm(file, { force: true })
  }
}
