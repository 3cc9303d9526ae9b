// A segment that ClickHouse refuses because of its content: the lines at fault are set aside with the reason, the rest
// goes on as a file of its own. The split is written down before anything of it is inserted, in this order: the
// quarantined lines, then the clean file; whoever restarts in between does the same again or finds it done.

import { open, readFile, rename } from 'node:fs/promises'
import path from 'node:path'

import { messageOf } from '@sluice/core/errors'
import { outcomeFields, outcomeSchema } from '@sluice/core/outcome/record'
import { z } from 'zod'

import { cleanName, quarantineFolder } from './names'
import { hasContent } from './segment_file'
import { isContentFault } from './verdict'

interface Line {
  /** From 1. */
  readonly number: number
  /** Without its line end. */
  readonly bytes: Buffer
}

interface Fault extends Line {
  readonly reason: string
}

export interface Split {
  /** Lines in the clean file. */
  readonly lines: number
  readonly bytes: number
  readonly quarantined: number
}

/**
 * Splits a segment into `quarantine/<segment>` and its clean file.
 * @param rehearse parses lines as the insert would, without effect
 */
export const split = async (
  folder: string,
  segment: string,
  rehearse: (lines: Buffer) => Promise<void>,
): Promise<Split> => {
  const all = linesOf(await readFile(path.join(folder, segment)))
  const faults: Fault[] = []
  const plausible: Line[] = []
  for (const line of all) {
    const reason = faultOf(line)
    if (reason === undefined) plausible.push(line)
    else faults.push({ ...line, reason })
  }
  const clean = await sift(plausible, faults, rehearse)
  faults.sort((a, b) => a.number - b.number)
  const kept = join(clean.sort((a, b) => a.number - b.number))
  await writeDurably(
    path.join(folder, quarantineFolder, segment),
    Buffer.from(faults.map((f) => said(segment, f)).join('')),
  )
  await writeDurably(path.join(folder, cleanName(segment)), kept)
  return { lines: clean.length, bytes: kept.length, quarantined: faults.length }
}

/** Lines with anything in them. */
const linesOf = (content: Buffer): Line[] => {
  const lines: Line[] = []
  let number = 0
  for (let start = 0; start < content.length;) {
    const found = content.indexOf(0x0a, start)
    const end = found < 0 ? content.length : found
    const bytes = content.subarray(start, end)
    number += 1
    if (hasContent(bytes)) lines.push({ number, bytes })
    start = end + 1
  }
  return lines
}

const join = (lines: readonly Line[]): Buffer => Buffer.concat(lines.flatMap(({ bytes }) => [bytes, newline]))
const newline = Buffer.from('\n')
const utf8 = new TextDecoder('utf-8', { fatal: true })
const object = z.record(z.string(), z.unknown())
/** Below this a time is not one: ClickHouse's table says the same. */
const earliest = Date.UTC(2000)

/** Why a line breaks the contract of the outcome record; unknown fields do not. */
const faultOf = ({ bytes }: Line): string | undefined => {
  let parsed: unknown
  try {
    parsed = JSON.parse(utf8.decode(bytes))
  } catch (error) {
    return messageOf(error)
  }
  const record = object.safeParse(parsed)
  if (!record.success) return 'not a JSON object'
  const known = Object.fromEntries(Object.entries(record.data).filter(([name]) => name in outcomeFields))
  const checked = outcomeSchema.safeParse(known)
  if (!checked.success) {
    return checked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  }
  return checked.data.at < earliest ? 'at: before the year 2000' : undefined
}

/** Halves what is refused until single lines are left. @returns what is accepted */
const sift = async (
  lines: readonly Line[],
  faults: Fault[],
  rehearse: (lines: Buffer) => Promise<void>,
): Promise<Line[]> => {
  if (lines.length === 0) return []
  try {
    await rehearse(join(lines))
    return [...lines]
  } catch (error) {
    if (!isContentFault(error)) throw error
    const [only] = lines
    if (only && lines.length === 1) {
      faults.push({ ...only, reason: `${error.message.trim().slice(0, 500)} (${error.type ?? ''})` })
      return []
    }
    const middle = Math.ceil(lines.length / 2)
    const first = await sift(lines.slice(0, middle), faults, rehearse)
    return [...first, ...(await sift(lines.slice(middle), faults, rehearse))]
  }
}

/** One line of the quarantine file; bytes that are not UTF-8 are kept as base64. */
const said = (segment: string, { number, bytes, reason }: Fault): string => {
  let raw: { raw: string } | { raw_base64: string }
  try {
    raw = { raw: utf8.decode(bytes) }
  } catch {
    raw = { raw_base64: bytes.toString('base64') }
  }
  return `${JSON.stringify({ segment, line: number, reason, ...raw })}\n`
}

/** Whole or not at all, and on disk. */
const writeDurably = async (file: string, content: Buffer): Promise<void> => {
  const draft = `${file}.draft`
  const handle = await open(draft, 'w', 0o640)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
}
