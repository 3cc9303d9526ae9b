// Which files an INSERT may read by FROM INFILE: those inside the folders the engine was told at start (the spool),
// and the bodies it received itself. The path must be one plain absolute string; links are followed before judging.

import { realpath } from 'node:fs/promises'
import path from 'node:path'

import { literal } from '../sql/tokens'
import { refuse } from './exception'
import type { Statement } from './statement'

/** Without what ClickHouse reads as a pattern, an archive or an escape. */
const plain = /^\/[^*?{}[\]'"\\\p{Cc}]+$/u

/** Whether ClickHouse takes this path for the one file of that name. */
export const isInfilePath = (file: string): boolean => plain.test(file) && !file.includes('::')

export class Infiles {
  readonly #folders: readonly string[]

  private constructor(folders: readonly string[]) {
    this.#folders = folders
  }

  /** @param folders must exist */
  static async allow(folders: readonly string[]): Promise<Infiles> {
    return new Infiles(await Promise.all(folders.map((folder) => realpath(folder))))
  }

  /** @throws Exception 497 where the statement names a file it may not read */
  async admit({ infile }: Statement): Promise<void> {
    if (infile === undefined) return
    if (infile === null || !isInfilePath(infile))
      throw refuse('ACCESS_DENIED', 'FROM INFILE takes one plain absolute path')
    // A file that is not there is ClickHouse's error to report; its folder decides then.
    const real = await realpath(infile).catch(async () =>
      path.join(await realpath(path.dirname(infile)).catch(() => '/'), '?'),
    )
    if (!this.#folders.some((folder) => real.startsWith(folder + path.sep))) {
      throw refuse('ACCESS_DENIED', 'FROM INFILE is allowed in the spool folder only')
    }
  }

  /** The statement with its data taken from `file` instead of the body. */
  rewrite(text: string, { infileAt, format }: Statement, file: string): string {
    const at = infileAt ?? text.length
    const named = format?.name === 'Values' ? `${text.slice(at, format.start)} FORMAT Values` : text.slice(at)
    return `${text.slice(0, at)} FROM INFILE ${literal(file)}${named}`
  }
}
