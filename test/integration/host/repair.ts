// A repair of Haraka under test: the same body runs with the guards, where it must pass, and on Haraka as it is, where
// it must fail; otherwise it would prove nothing.

import { hostGuards } from '@sluice/core/config/sluice'
import { afterEach, test } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { HarakaProcess, type HarakaOptions } from '../../harness/haraka'

export const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const one of cleanUp.splice(0).toReversed()) await one()
})

const allOff = hostGuards.map((name) => `${name}: false`).join(', ')

export type Start = (
  options: HarakaOptions & {
    /** Lines of sluice.yaml. */ readonly sluice?: string
  },
) => Promise<HarakaProcess>

export const startWith =
  (repaired: boolean): Start =>
  async (options) => {
    const haraka = await HarakaProcess.start({
      ...options,
      plugins: ['sluice-host', ...(options.plugins ?? [])],
      config: {
        'sluice.yaml': `${options.sluice ?? ''}${repaired ? '' : `host: { guards: { ${allOff} } }\n`}`,
        ...options.config,
      },
    })
    cleanUp.push(() => haraka.stop())
    return haraka
  }

export const receive = async (script?: Script | ((connection: number) => Script)): Promise<FakeReceiver> => {
  const receiver = await FakeReceiver.listen(script)
  cleanUp.push(() => receiver.close())
  return receiver
}

export const repair = (title: string, body: (start: Start) => Promise<void>): void => {
  test(title, () => body(startWith(true)))
  test.fails(`Haraka as it is: ${title}`, () => body(startWith(false)))
}

/** A plugin that sends all mail to one port. */
export const routing = (port: number): string =>
  `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${port} })`

export const retries = (intervals: string): Record<string, string> => ({
  'outbound.ini': `concurrency_max=200\nlocal_mx_ok=true\ntemp_fail_intervals=${intervals}\n`,
})
