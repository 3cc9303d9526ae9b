// `npm run demo`: the stack in a model internet, a campaign over three streams, one source on one provider's block list
// for a while, all of it on one screen; at the end the accounts. Exit code 1 where they are not exact.

import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readEgress, type EgressConfig } from '@sluice/core/config/egress'
import { runCampaign, type CampaignResult } from '@sluice/lab/campaign'
import { domainWeights } from '@sluice/lab/internet/population'
import { shippedInternet } from '@sluice/lab/internet/shipped'

import { Api } from '../api'
import { claim, claimFile } from '../claim'
import { onInterrupt } from '../interrupt'
import { writeInternetWithReturns } from '../lab'
import { Stack } from '../stack'
import { line, screen } from '../summary/screen'
import { openTerminal, type Terminal } from '../summary/terminal'
import { checkFolder, emptyFolder } from './folder'
import { Observer } from './observer'
import { readOptions, usage, type DemoOptions } from './options'
import { campaignStreams, scriptOf, senderDomains, type Script } from './script'
import { addressOf, sourceOf } from './source'
import { judge, type Verdict } from './verdict'

const root = path.resolve(__dirname, '../../..')
const layers = [path.join(root, 'haraka-config/config'), path.join(root, 'run/demo/config')]
/** After the last submission every recipient has its last word within the retries of run/demo/config/outbound.ini. */
const patienceMs = 120_000
/** Exit code after Ctrl-C. */
const interrupted = 130
const pictureMs = { screen: 500, lines: 5000 } as const

/** Called by bin/run.cjs. @public */
export const main = async (args: readonly string[]): Promise<void> => {
  const options = readOptions(args, path.join(root, 'var/demo'))
  if (!options) {
    console.log(usage)
    return
  }
  const terminal = openTerminal(process.stdout, options.screen)
  const interrupt = onInterrupt((text) => terminal.say(`sluice: ${text}`))
  await checkFolder(options.data)
  const release = await claim(options.data)
  let verdict: Verdict | undefined
  try {
    verdict = await play(options, terminal, interrupt.signal)
  } finally {
    terminal.close()
    await release()
  }
  process.exit(verdict ? Number(!verdict.exact) : interrupted)
}

/** undefined where it was interrupted. */
const play = async (options: DemoOptions, terminal: Terminal, signal: AbortSignal): Promise<Verdict | undefined> => {
  const say = (text: string): void => terminal.say(`sluice: ${text}`)
  await emptyFolder(options.data, [claimFile])
  say('starting Redis, the receiver lab, the sidecar and Haraka …')
  const internet = await writeInternetWithReturns(path.join(options.data, 'internet.yaml'), senderDomains)
  const stack = await Stack.start({
    folder: options.data,
    layers,
    ports: 'free',
    // Never somebody's real database.
    env: { CLICKHOUSE_URL: undefined },
    lab: { seed: options.seed, internet, truthFile: path.join(options.data, 'truth.ndjson') },
    say,
  })
  try {
    const egress = readEgress('egress.yaml', await readFile(path.join(stack.configFolder, 'egress.yaml'), 'utf8'))
    return await new Demo(options, stack, egress, terminal, signal).run()
  } finally {
    say('stopping …')
    await stack.stop()
  }
}

class Demo {
  private readonly script: Script
  private readonly api: Api
  private readonly observer: Observer
  private readonly start = Date.now()
  private submitted = 0

  constructor(
    private readonly options: DemoOptions,
    private readonly stack: Stack,
    private readonly egress: EgressConfig,
    private readonly terminal: Terminal,
    private readonly signal: AbortSignal,
  ) {
    this.script = scriptOf(options.seconds)
    this.api = new Api(
      () => stack.http,
      () => stack.tokenFile,
    )
    this.observer = new Observer(this.api, this.start, () => ({
      submitted: this.submitted,
      planned: options.messages,
    }))
  }

  async run(): Promise<Verdict | undefined> {
    const done = new AbortController()
    const drawing = this.draw(AbortSignal.any([done.signal, this.signal]))
    const listing = this.list()
    const result = await this.send()
    await listing
    this.observer.tell(
      `campaign done: ${result.recipients.accepted} recipients accepted in ${result.seconds.toFixed(0)} s`,
    )
    await this.untilDelivered()
    done.abort()
    await drawing
    this.terminal.keep()
    if (this.signal.aborted) return undefined
    const verdict = await judge({
      api: this.api,
      lab: this.lab,
      script: this.script,
      start: this.start,
      accepted: result.recipients.accepted,
      sourceOf: (ip) => sourceOf(this.egress, ip),
    })
    this.terminal.say(['', ...verdict.lines, ''].join('\n'))
    return verdict
  }

  private get lab() {
    if (!this.stack.lab) throw new Error('the demo has a lab')
    return this.stack.lab
  }

  private send(): Promise<CampaignResult> {
    const { messages, seconds, seed } = this.options
    return runCampaign({
      host: '127.0.0.1',
      port: this.stack.smtpPort,
      messages,
      rate: messages / seconds,
      seed,
      streams: campaignStreams,
      domains: domainWeights(shippedInternet()),
      signal: this.signal,
      onProgress: (progress) => (this.submitted = progress.messages.submitted),
    })
  }

  /** Puts the source on the block list for its time. */
  private async list(): Promise<void> {
    const { provider, source, listedAt, listedFor } = this.script
    const address = addressOf(this.egress, source)
    if (!(await this.until(listedAt))) return
    await this.lab.block(provider, address, listedFor)
    this.observer.tell(`${provider} puts ${source} (${address}) on its block list for ${listedFor} s`)
    if (await this.until(listedAt + listedFor)) this.observer.tell(`${provider} takes ${source} off its block list`)
  }

  /** Waits until so many seconds after the start; false where Ctrl-C came first. */
  private async until(seconds: number): Promise<boolean> {
    const left = this.start + seconds * 1000 - Date.now()
    await delay(Math.max(0, left), undefined, { signal: this.signal }).catch(() => undefined)
    return !this.signal.aborted
  }

  /** Until Haraka's queue and the spool are empty. */
  private async untilDelivered(): Promise<void> {
    const deadline = Date.now() + patienceMs
    for (;;) {
      const waiting = await this.waiting()
      if (this.signal.aborted || waiting === 0) return
      if (Date.now() > deadline) {
        this.observer.tell(`${waiting} files are still in queue or spool; not waiting any longer`)
        return
      }
      await delay(500, undefined, { signal: this.signal }).catch(() => undefined)
    }
  }

  private async waiting(): Promise<number> {
    const folders = ['queue', 'spool'].map((name) => path.join(this.stack.harakaFolder, name))
    const files = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true, withFileTypes: true })))
    return files.flat().filter((entry) => entry.isFile()).length
  }

  private async draw(until: AbortSignal): Promise<void> {
    const { terminal } = this
    const pools = Object.fromEntries(Object.entries(this.egress.pools).map(([pool, all]) => [pool, Object.keys(all)]))
    let told = 0
    while (!until.aborted) {
      await this.observer
        .look()
        .catch((error: unknown) => this.observer.tell(`the API does not answer: ${String(error)}`))
      const figures = this.observer.figures()
      if (terminal.isScreen) {
        const { width, height, paint } = terminal
        terminal.draw(screen(figures, { width, height, pools, paint }))
      } else {
        figures.events.slice(told).forEach(({ text }) => terminal.say(`      ${text}`))
        told = figures.events.length
        terminal.say(line(figures))
      }
      const pause = terminal.isScreen ? pictureMs.screen : pictureMs.lines
      await delay(pause, undefined, { signal: until }).catch(() => undefined)
    }
  }
}
