// Who sends a mail, by which way, under which names: everything that a refusal can blame, and every scope whose gate a
// mail has to pass.

import { anyProvider } from '@sluice/core/routing/table'
import type { Sender } from '@sluice/core/lane/scope'
import { tagOf } from '@sluice/core/stream/tag'
import { Attached } from '@sluice/core/transient/attached'
import type { Configuration, HMail } from 'haraka-plugin-sluice-host'

import type { Policy } from '../policy'

/** What of a mail can be held, whatever source it leaves by. */
export interface Identity {
  readonly stream: string
  readonly tenant: string | undefined
  readonly dkim_domain: string | undefined
  readonly spf_domain: string | undefined
  readonly from_domain: string | undefined
}

export class Senders {
  private readonly known = new Attached<HMail, Identity>()

  constructor(
    private readonly policy: () => Policy | undefined,
    private readonly configuration: () => Configuration,
  ) {}

  isRelay(source: string): boolean {
    return this.policy()?.relay(source) !== undefined
  }

  /** @param ip local address of the connection; empty = not known */
  of(hmail: HMail, source: string, provider: string, ip: string): Sender {
    const lane = this.isRelay(source) ? anyProvider : provider
    return { ...this.identityOf(hmail), source, provider: lane, source_ip: ip === '' ? undefined : ip }
  }

  identityOf(hmail: HMail): Identity {
    const known = this.known.get(hmail)
    if (known) return known
    const tag = tagOf(hmail.todo.notes)
    const stream = this.policy()?.streamOf(hmail) ?? tag?.stream ?? ''
    const identity = {
      stream,
      tenant: word(tag?.tenant),
      dkim_domain: word(tag?.dkim_domain),
      spf_domain: word(this.returnPathDomain(hmail, stream)),
      from_domain: word(tag?.from_domain),
    }
    this.known.set(hmail, identity)
    return identity
  }

  /** Receivers check SPF for the domain of the return path, which may be ours in place of the sender's. */
  private returnPathDomain({ todo }: HMail, stream: string): string {
    const { return_path: signed } = this.configuration().feedback ?? {}
    const { address, host } = todo.mail_from
    const ours = signed !== undefined && address !== '' && (signed.streams?.includes(stream) ?? true)
    return ours ? signed.domain : host
  }
}

const word = (text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : text.toLowerCase().slice(0, 255)
