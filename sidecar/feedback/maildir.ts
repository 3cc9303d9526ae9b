// A Maildir as a second source of reports: new messages become reports of the spool, then count as read (moved to cur/
// with the flag S). Who delivered there has written where the message came from and went to into its header.

import { opendir, readFile, rename, stat } from 'node:fs/promises'
import path from 'node:path'

import { messageOf } from '@sluice/core/errors'
import { addressesIn } from '@sluice/core/report/address'
import { Headers } from '@sluice/core/report/mail'

import type { Log } from '../log'
import { readMail } from '../report/mime'
import type { ReportFolder } from './report-folder'

/** Messages taken in one look. */
const atOnce = 100
/** Larger ones are no reports; they are marked read and left. */
const largestBytes = 30 * 1024 * 1024
const recipientFields = ['delivered-to', 'x-original-to', 'envelope-to', 'x-envelope-to']
const longestAddress = 1024

export class Maildir {
  constructor(
    private readonly folder: string,
    private readonly reports: ReportFolder,
    private readonly log: Log,
  ) {}

  /** @returns how many were taken @throws the file system's error */
  async take(now: number): Promise<number> {
    const names: string[] = []
    for await (const { name } of await opendir(path.join(this.folder, 'new'))) {
      if (!name.startsWith('.')) names.push(name)
      if (names.length >= atOnce) break
    }
    for (const name of names.sort()) {
      const file = path.join(this.folder, 'new', name)
      if ((await stat(file)).size <= largestBytes) await this.add(await readFile(file), now)
      else this.log.warn({ message: name }, 'a message of the Maildir is too large for a report')
      await rename(file, path.join(this.folder, 'cur', `${name.split(':')[0] ?? name}:2,S`))
    }
    return names.length
  }

  private async add(message: Buffer, at: number): Promise<void> {
    const headers = this.headersOf(message)
    const rcpt_to = recipientFields.flatMap((field) => headers.all(field).slice(0, 10).flatMap(addressesIn))
    const [mail_from = ''] = addressesIn(headers.get('return-path'))
    const cut = (address: string): string => address.slice(0, longestAddress)
    await this.reports.add(
      { v: 1, at, client_ip: '', mail_from: cut(mail_from), rcpt_to: [...new Set(rcpt_to)].map(cut) },
      message,
    )
  }

  private headersOf(message: Buffer): Headers {
    try {
      return readMail(message).headers
    } catch (error) {
      // It goes on as it is; whoever reads it says what is wrong with it.
      this.log.debug({ error: messageOf(error) }, 'header of a message not read')
      return new Headers()
    }
  }
}
