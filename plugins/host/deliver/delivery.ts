// One attempt, from the first connection to the last recipient's fate. Hosts are tried in order while no recipient's
// message can have been taken: connection trouble and refusals before MAIL go on to the next address, replies to the
// message itself end the attempt, and a reply lost after the dot ends it too, because trying again at once would make
// a duplicate. A kept connection that turns out dead costs nothing: the same address is tried afresh.

import type { Phase } from '@sluice/core/outcome/record'

import type { Evidence, Lease } from '../contract'
import type { Body } from '../smtp/body'
import { mayTryElsewhere, type Fate } from '../smtp/fate'
import { keyOf, type SessionPool } from '../smtp/pool'
import { fault, type Answer } from '../smtp/reply'
import { openSession, type Opening, type Refusal, type Session, type Target } from '../smtp/session'
import type { TlsSettings } from '../smtp/tls'
import { transact, type Mailbox } from '../smtp/transaction'
import type { Plan } from './plan'

/** What became of one recipient, and what was seen. */
export interface Ending {
  readonly fate: Fate
  readonly evidence: Evidence
  readonly target: Target | undefined
}

export interface Delivered {
  /** One per recipient, in order. */
  readonly endings: readonly Ending[]
  /** Hosts that failed before another was tried, in order. */
  readonly tries: readonly Evidence[]
  /** Where every host failed before one of them had heard MAIL: all of them, in order. */
  readonly reachedNobody: readonly Evidence[] | undefined
  readonly secured: boolean
  readonly authenticated: boolean
  /**
   * Gives the connection to the pool, or ends it (`reuse` false, or it cannot be kept); resolves when it is handed on or
   * closed. Call once.
   */
  release(reuse: boolean): Promise<void>
}

export interface Tools {
  readonly pool: SessionPool
  readonly tls: TlsSettings
}

export class Delivery {
  private readonly begun = Date.now()
  private readonly endings: (Ending | undefined)[]
  private readonly tries: Evidence[] = []
  /** Of the address tried last, where it failed; becomes a try as soon as another one is tried. */
  private failed: Evidence | undefined
  private lease: Lease | undefined
  /** The session used last, and whether it is still open. */
  private session: Session | undefined

  constructor(
    private readonly tools: Tools,
    private readonly plan: Plan,
    private readonly from: Mailbox,
    private readonly to: readonly Mailbox[],
    private readonly body: Body,
    /** Told of a host that has failed, as soon as another one is tried. */
    private readonly onTry: (evidence: Evidence) => void,
  ) {
    this.endings = to.map(() => undefined)
    this.lease = plan.lease
  }

  async run(): Promise<Delivered> {
    const kept = await this.keptSession()
    if (kept) await this.use(kept.target, kept)
    for (const target of this.plan.targets) {
      if (this.open().length === 0) break
      await this.visit(target)
    }
    await this.body.close()
    const none: Ending = { ...this.seen(undefined, 'dns', fault('unreachable', 'no host to try')), target: undefined }
    const { session } = this
    return {
      endings: this.endings.map((ending) => ending ?? none),
      tries: this.tries,
      reachedNobody: !this.session && this.failed ? [...this.tries, this.failed] : undefined,
      secured: (session?.opening.tls ?? '') !== '',
      authenticated: session?.target.credentials !== undefined,
      release: (reuse) => this.release(reuse),
    }
  }

  /** The connection that came with the lease, or an idle one that leads to a host of the plan. */
  private async keptSession(): Promise<Session | undefined> {
    const { pool } = this.tools
    const claimed = this.lease && pool.claim(this.lease)
    if (claimed) {
      const key = keyOf(claimed.target)
      if (claimed.usable && this.plan.targets.some((target) => keyOf(target) === key)) return claimed
      // The lease pays for one connection: this one must be gone before the next one is opened.
      if (claimed.usable) await claimed.quit()
      await claimed.connection.closed
      return undefined
    }
    for (const target of this.plan.targets) {
      const found = pool.take(target)
      if (!found) continue
      if (this.lease) found.lease?.takeOver?.(this.lease)
      this.lease?.release()
      this.lease = found.lease
      return found.session
    }
    return undefined
  }

  /** Opens a session to the address and uses it. */
  private async visit(target: Target): Promise<void> {
    if (this.failed) {
      this.tries.push(this.failed)
      this.onTry(this.failed)
    }
    this.failed = undefined
    const opened = await openSession(target, this.tools.tls)
    if (opened.kind === 'session') {
      await this.use(target, opened)
      return
    }
    await opened.closed
    this.refused(target, opened)
    // TLS that was only wished for must not keep the mail from going (RFC 7435).
    if (opened.phase === 'tls' && target.tls === 'opportunistic') await this.visit({ ...target, tls: 'none' })
  }

  private refused(target: Target, { phase, answer, opening }: Refusal): void {
    const ending = { ...this.seen(target, phase, answer, opening), target }
    // A refusal before MAIL is about the connection, not about the message: it never bounces anybody.
    for (const index of this.open()) this.endings[index] = { ...ending, fate: { phase, answer: asFault(answer) } }
    this.failed = ending.evidence
  }

  /** Sends to all who are open; more recipients than a message may have follow in further ones. */
  private async use(target: Target, session: Session): Promise<void> {
    const { recipients, keeping } = this.plan
    let rest = this.open()
    for (let first = true; rest.length > 0; first = false) {
      const sent = await this.send(target, session, rest.slice(0, recipients))
      rest = rest.slice(recipients)
      if (rest.length === 0 || (first && !sent)) return
      if (!session.usable) {
        this.lost(target, rest)
      } else if (session.uses >= keeping.messages) {
        await session.quit()
        await session.connection.closed
        await this.visit(target)
      } else continue
      return
    }
  }

  /** The connection ended before these recipients' message. */
  private lost(target: Target, recipients: readonly number[]): void {
    const ending = { ...this.seen(target, 'mail', fault('closed', 'the connection had ended')), target }
    for (const index of recipients) this.endings[index] = ending
    this.failed = ending.evidence
  }

  /** @returns false where nothing has happened, because a kept connection was gone */
  private async send(target: Target, session: Session, open: readonly number[]): Promise<boolean> {
    const connectionUse = session.uses
    const to = open.flatMap((index) => this.to[index] ?? [])
    await this.lease?.beforeMail?.()
    const result = await transact(session, { from: this.from, to }, this.body)
    session.uses++
    if (!session.usable) await session.connection.closed
    if (result.stale) return false
    this.session = session
    open.forEach((index, position) => {
      const fate = result.fates[position] ?? { phase: 'data', answer: fault('local', 'no answer decided') }
      const opening = connectionUse > 0 ? { ...session.opening, connect_ms: 0, tls_ms: 0 } : session.opening
      const seen = this.seen(target, fate.phase, fate.answer, opening)
      const evidence = { ...seen.evidence, connection_use: connectionUse, first_reply_ms: result.first_reply_ms }
      this.endings[index] = { fate, evidence, target }
      if (mayTryElsewhere(fate)) this.failed = evidence
    })
    return true
  }

  /** Recipients that nobody has decided about, or that another host may still take. */
  private open(): number[] {
    return this.endings.flatMap((ending, index) => (ending && !mayTryElsewhere(ending.fate) ? [] : [index]))
  }

  private async release(reuse: boolean): Promise<void> {
    const { session, lease, plan } = this
    const keeping = reuse ? plan.keeping : { ...plan.keeping, messages: 0 }
    if (session?.usable) await this.tools.pool.giveBack(session, keeping, lease)
    else lease?.release()
  }

  private seen(
    target: Target | undefined,
    phase: Phase,
    answer: Answer,
    opening?: Opening,
  ): { fate: Fate; evidence: Evidence } {
    const evidence: Evidence = {
      mx_host: target?.host ?? '',
      remote_ip: target?.address ?? '',
      port: target?.port ?? 0,
      local_ip: opening?.local_ip ?? '',
      phase,
      code: answer.kind === 'reply' ? answer.code : 0,
      enhanced: answer.kind === 'reply' ? answer.enhanced : '',
      lines: answer.kind === 'reply' ? answer.lines : [answer.text],
      tls: opening?.tls ?? '',
      connect_ms: opening?.connect_ms ?? 0,
      tls_ms: opening?.tls_ms ?? 0,
      first_reply_ms: opening?.first_reply_ms ?? 0,
      total_ms: Date.now() - this.begun,
      connection_use: 0,
    }
    return { fate: { phase, answer }, evidence }
  }
}

const asFault = (answer: Answer): Answer => (answer.kind === 'fault' ? answer : fault('closed', answer.lines.join(' ')))
