// Who is connected, and the most there ever were: by provider and client address over all MX hosts. Every TCP connection
// counts from its accept until its end was seen, also one that is refused at the banner.

import { PeakWindow } from '../behaviour/window'

export interface AttendanceRow {
  readonly provider: string
  readonly client_ip: string
  /** connections open now */
  readonly open: number
  /** the most that were open at the same time */
  readonly high_water: number
  readonly opened: number
  /** refused at the banner or at EHLO */
  readonly refused: number
  /** MAIL commands */
  readonly messages: number
  /** the most MAIL commands in any sliding second, any sliding minute */
  readonly messages_per_second: number
  readonly messages_per_minute: number
  /** the most connections opened in any sliding second, any sliding minute */
  readonly connections_per_second: number
  readonly connections_per_minute: number
}

class Attendance {
  open = 0
  highWater = 0
  opened = 0
  refused = 0
  messages = 0
  messageSecond = new PeakWindow(1000)
  messageMinute = new PeakWindow(60_000)
  connectionSecond = new PeakWindow(1000)
  connectionMinute = new PeakWindow(60_000)
}

export class AttendanceBook {
  private readonly pages = new Map<string, Attendance>()

  opened(provider: string, ip: string, now: number): void {
    const page = this.page(provider, ip)
    page.open++
    page.opened++
    page.highWater = Math.max(page.highWater, page.open)
    page.connectionSecond.add(now)
    page.connectionMinute.add(now)
  }

  closed(provider: string, ip: string): void {
    this.page(provider, ip).open--
  }

  refused(provider: string, ip: string): void {
    this.page(provider, ip).refused++
  }

  message(provider: string, ip: string, now: number): void {
    const page = this.page(provider, ip)
    page.messages++
    page.messageSecond.add(now)
    page.messageMinute.add(now)
  }

  list(): AttendanceRow[] {
    return [...this.pages].map(([key, page]) => {
      const [provider = '', client_ip = ''] = key.split('|')
      return {
        provider,
        client_ip,
        open: page.open,
        high_water: page.highWater,
        opened: page.opened,
        refused: page.refused,
        messages: page.messages,
        messages_per_second: page.messageSecond.peak,
        messages_per_minute: page.messageMinute.peak,
        connections_per_second: page.connectionSecond.peak,
        connections_per_minute: page.connectionMinute.peak,
      }
    })
  }

  of(provider: string, ip: string): AttendanceRow | undefined {
    return this.list().find((row) => row.provider === provider && row.client_ip === ip)
  }

  /** Begins anew with what is open now. */
  clear(): void {
    for (const [key, { open }] of [...this.pages]) {
      this.pages.delete(key)
      if (open === 0) continue
      const page = new Attendance()
      page.open = page.highWater = open
      this.pages.set(key, page)
    }
  }

  private page(provider: string, ip: string): Attendance {
    const key = `${provider}|${ip}`
    const known = this.pages.get(key)
    if (known) return known
    const page = new Attendance()
    this.pages.set(key, page)
    return page
  }
}
