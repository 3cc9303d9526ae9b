// A repair of Haraka under test: the same body runs with the guards, where it must pass, and on Haraka as it is, where
// one of its assertions must fail; otherwise it would prove nothing. The two, and all repairs of a file, run side by
// side; what a body starts ends with it.

import { hostGuards } from '@sluice/core/config/sluice'
import { afterAll, beforeAll, test, type ExpectStatic, type TestContext } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { HarakaProcess, type HarakaOptions } from '../../harness/haraka'

const allOff = hostGuards.map((name) => `${name}: false`).join(', ')

export interface RepairOptions extends HarakaOptions {
  /** Lines of sluice.yaml. */
  readonly sluice?: string
}

type ScriptOf = Script | ((connection: number) => Script)

/** What a body has at hand. */
export interface Tools {
  readonly expect: ExpectStatic
  /** Runs when the test is over, the last one first. */
  readonly cleanUp: (end: () => Promise<unknown>) => void
  readonly start: (options: RepairOptions) => Promise<HarakaProcess>
  readonly receive: (script?: ScriptOf, address?: string) => Promise<FakeReceiver>
}

export const startHaraka = (repaired: boolean, options: RepairOptions): Promise<HarakaProcess> =>
  HarakaProcess.start({
    ...options,
    plugins: ['sluice-host', ...(options.plugins ?? [])],
    config: {
      'sluice.yaml': `${options.sluice ?? ''}${repaired ? '' : `host: { guards: { ${allOff} } }\n`}`,
      ...options.config,
    },
  })

/** For a test that is no comparison too: `repaired` says which Haraka `start` starts. */
export const toolsOf = ({ expect, onTestFinished }: TestContext, repaired: boolean): Tools => ({
  expect,
  cleanUp: (end) =>
    onTestFinished(async () => {
      await end()
    }),
  start: async (options) => {
    const haraka = await startHaraka(repaired, options)
    onTestFinished(() => haraka.stop())
    return haraka
  },
  receive: async (script, address) => {
    const receiver = await FakeReceiver.listen(script, address)
    onTestFinished(() => receiver.close())
    return receiver
  },
})

const compare = (title: string, body: (context: TestContext, repaired: boolean) => Promise<void>): void => {
  test.concurrent(title, (context) => body(context, true))
  test.concurrent(`Haraka as it is: ${title}`, async (context) => {
    const thrown: unknown = await body(context, false).then(
      () => new Error('passes without the guard, and so proves nothing'),
      (failed: unknown) => failed,
    )
    // Anything else, a time-out of the harness for one, would not say that Haraka has the defect.
    if (!(thrown instanceof Error) || thrown.name !== 'AssertionError') throw thrown
  })
}

export const repair = (title: string, body: (tools: Tools) => Promise<void>): void =>
  compare(title, (context, repaired) => body(toolsOf(context, repaired)))

type Shared = Tools & { readonly haraka: HarakaProcess }

/**
 * Tests that share two Harakas, one with the guards and one as it is; each must use a domain of its own. `guarded` is
 * for those that have nothing to compare.
 */
export const sharing = (options: RepairOptions) => {
  const running = new Map<boolean, HarakaProcess>()
  const toolsFor = (context: TestContext, repaired: boolean): Shared => {
    const haraka = running.get(repaired)
    if (!haraka) throw new Error('Haraka was not started')
    return { ...toolsOf(context, repaired), haraka }
  }
  beforeAll(async () => {
    await Promise.all([true, false].map(async (one) => running.set(one, await startHaraka(one, options))))
  })
  afterAll(async () => {
    await Promise.all([...running.values()].map((one) => one.stop()))
  })
  return {
    repair: (title: string, body: (tools: Shared) => Promise<void>): void =>
      compare(title, (context, repaired) => body(toolsFor(context, repaired))),
    guarded: (title: string, body: (tools: Shared) => Promise<void>): void =>
      test.concurrent(title, (context) => body(toolsFor(context, true))),
  }
}

/** A plugin that sends all mail to one port. */
export const routing = (port: number): string =>
  `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${port} })`

/** A plugin that finds the ports of the MX hosts in the domain: `p4001-4002.test`; other domains have none. */
export const routingByDomain = `
exports.hook_get_mx = function (next, hmail, domain) {
  const ports = /^p([\\d-]+)\\./.exec(domain)
  if (!ports) return next(DENY, 'not of this test')
  const auth = domain.includes('.auth.') ? { auth_user: 'user', auth_pass: 'secret' } : {}
  const exchange = domain.includes('.forced.') ? '127.0.0.2' : '127.0.0.1'
  const using_lmtp = domain.includes('.lmtp.')
  next(OK, ports[1].split('-').map((port) => ({ exchange, port: Number(port), using_lmtp, ...auth })))
}`

export const domainOf = (receivers: readonly FakeReceiver[], kind = ''): string =>
  `p${receivers.map(({ port }) => port).join('-')}${kind && `.${kind}`}.test`

export const retries = (intervals: string): Record<string, string> => ({
  'outbound.ini': `concurrency_max=200\nlocal_mx_ok=true\ntemp_fail_intervals=${intervals}\n`,
})
