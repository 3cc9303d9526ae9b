// Whether the writer of an open segment is certainly dead. Only then may its segment be touched: a live writer would
// go on writing into a file that nobody reads any more. In doubt it lives.

import { readFile, readdir, readlink, realpath } from 'node:fs/promises'
import { hostname } from 'node:os'

import { parseSegmentName, segmentName } from '@sluice/core/spool/segment'

/** This host as segment names spell it. */
const here = parseSegmentName(
  segmentName({ host: hostname(), worker: '0', started: 0, sequence: 0, sealed: true }),
)?.host

/** Clocks differ by so much at most, in milliseconds. */
const clockMs = 10_000
const ticksPerSecond = 100

/**
 * @param file path of the open segment
 * @param name its file name
 */
export const writerIsDead = async (file: string, name: string): Promise<boolean> => {
  const writer = parseSegmentName(name)
  const pid = Number(writer?.worker)
  if (!writer || writer.host !== here || !Number.isSafeInteger(pid) || pid <= 0) return false
  if (pid === process.pid) return false
  if (!exists(pid)) return true
  // The pid lives. It is another process if it began after the writer did, and does not have the file open.
  const began = await beganAt(pid)
  if (began === undefined || began < writer.started + clockMs) return false
  return (await holds(pid, file)) === false
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When a process began, ms since 1970; undefined where the system does not tell. */
const beganAt = async (pid: number): Promise<number | undefined> => {
  try {
    const [process_, system] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/stat', 'utf8'),
    ])
    // After the name, which may contain anything, the 20th figure is the start in clock ticks since boot.
    const ticks = Number(process_.slice(process_.lastIndexOf(')') + 2).split(' ')[19])
    const boot = Number(/^btime (\d+)$/m.exec(system)?.[1])
    const ms = (boot + ticks / ticksPerSecond) * 1000
    return Number.isFinite(ms) ? ms : undefined
  } catch {
    return undefined
  }
}

/** Whether the process has the file open; undefined where it may not be asked. */
const holds = async (pid: number, file: string): Promise<boolean | undefined> => {
  try {
    const real = await realpath(file)
    const descriptors = await readdir(`/proc/${pid}/fd`)
    const targets = await Promise.all(descriptors.map((each) => readlink(`/proc/${pid}/fd/${each}`).catch(() => '')))
    return targets.includes(real)
  } catch {
    return undefined
  }
}
