// Submits a planned campaign to an MTA over several kept connections and says exactly what was accepted. A message is
// submitted at most once: tried again only where the connection broke before its final dot.

import { setTimeout as sleep } from 'node:timers/promises'

import { SubmissionClient, type ClientOptions, type Fate } from './campaign/client'
import { Pace } from './campaign/pace'
import { planSchema, submissionsOf, type PlanOptions, type Submission } from './campaign/plan'

export interface CampaignOptions extends PlanOptions {
  readonly host: string
  readonly port: number
  /** Connections kept; default 8. */
  readonly connections?: number
  /** Messages per second; default: as fast as the server takes them. */
  readonly rate?: number
  readonly auth?: { readonly user: string; readonly pass: string }
  readonly localAddress?: string
  readonly ehlo?: string
  /** ms without an answer after which a connection is given up; default 60,000 */
  readonly timeout?: number
  /** Stops the campaign after the messages under way. */
  readonly signal?: AbortSignal
  /** Called after every message. */
  readonly onProgress?: (progress: Readonly<CampaignCounts>) => void
}

export interface AcceptedRecipient {
  readonly recipient: string
  readonly message_id: string
  readonly stream: string
  readonly tenant: string
  readonly campaign: string
}

export interface CampaignCounts {
  messages: { planned: number; submitted: number; accepted: number }
  /** uncertain: the connection was lost between the final dot and its answer. */
  recipients: { submitted: number; accepted: number; refused: number; uncertain: number }
}

export interface CampaignResult extends CampaignCounts {
  /** Every recipient accepted, in the order of the answers. */
  readonly accepted: readonly AcceptedRecipient[]
  /** How often each refusal was heard; the first 1,000 different ones. */
  readonly refusals: Readonly<Record<string, number>>
  readonly aborted: boolean
  readonly seconds: number
}

const mostTexts = 1000
const mostTries = 5
const backOffMs = 100

/** @throws ZodError for a bad plan, Error when the server cannot be reached or does not let us in */
export const runCampaign = async (options: CampaignOptions): Promise<CampaignResult> => {
  const { host, port, connections = 8, rate = Infinity, auth, localAddress, signal, onProgress, ...rest } = options
  const { ehlo = 'campaign.receiver-lab.test', timeout = 60_000, ...planned } = rest
  const plan = planSchema.parse(planned)
  const book = new Book(plan.messages)
  const started = Date.now()
  const submissions = submissionsOf(plan, new Date(started).toUTCString().replace('GMT', '+0000'))
  const pace = new Pace(rate)
  const stopped = new AbortController()
  const halt = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal

  const worker = async (): Promise<void> => {
    const line = new Line({ host, port, ehlo, auth, localAddress, timeout })
    try {
      for (;;) {
        if (!(await pace.turn(halt))) return
        const next = submissions.next()
        if (next.done === true) return
        book.enter(next.value, await line.submit(next.value))
        onProgress?.(book)
      }
    } catch (error) {
      // the others stop too; the first error is the campaign's
      stopped.abort()
      throw error
    } finally {
      await line.close()
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: connections }, worker))
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
  return book.result(signal?.aborted === true, (Date.now() - started) / 1000)
}

/** One connection after another, as the server closes them. */
class Line {
  private client: SubmissionClient | undefined

  constructor(private readonly options: ClientOptions) {}

  async submit(submission: Submission): Promise<Fate[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (!this.client?.usable) this.client = await SubmissionClient.open(this.options)
        return await this.client.submit(submission)
      } catch (error) {
        // nothing was submitted, so it may be tried again
        if (attempt === mostTries) throw error
        await sleep(attempt * backOffMs)
      }
    }
  }

  async close(): Promise<void> {
    await this.client?.close()
  }
}

class Book implements CampaignCounts {
  readonly messages
  readonly recipients = { submitted: 0, accepted: 0, refused: 0, uncertain: 0 }
  private readonly accepted: AcceptedRecipient[] = []
  private readonly refusals = new Map<string, number>()

  constructor(planned: number) {
    this.messages = { planned, submitted: 0, accepted: 0 }
  }

  enter({ message_id, stream, tenant, campaign }: Submission, fates: readonly Fate[]): void {
    this.messages.submitted++
    if (fates.some(({ fate }) => fate === 'accepted')) this.messages.accepted++
    for (const { recipient, fate, reply } of fates) {
      this.recipients.submitted++
      this.recipients[fate]++
      if (fate === 'accepted') this.accepted.push({ recipient, message_id, stream, tenant, campaign })
      if (fate === 'refused') this.countRefusal(reply.text)
    }
  }

  result(aborted: boolean, seconds: number): CampaignResult {
    const { messages, recipients, accepted } = this
    return { messages, recipients, accepted, refusals: Object.fromEntries(this.refusals), aborted, seconds }
  }

  private countRefusal(text: string): void {
    const known = this.refusals.get(text)
    if (known !== undefined || this.refusals.size < mostTexts) this.refusals.set(text, (known ?? 0) + 1)
  }
}
