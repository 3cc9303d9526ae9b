// The harness itself: a Haraka starts on a free port, takes a message and ends.

import { expect, test } from 'vitest'

import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'

test('a Haraka of its own starts, queues a message and ends', async () => {
  const haraka = await HarakaProcess.start({ config: { 'outbound.ini': 'disabled=true\n' } })
  try {
    expect(haraka.port).toBeGreaterThan(0)
    await expect(submit(haraka.port, { to: 'a@example.test' })).resolves.toMatch(/^250 /)
    expect(await haraka.queue()).toHaveLength(1)
  } finally {
    await haraka.stop()
  }
  expect(haraka.running).toBe(false)
})
