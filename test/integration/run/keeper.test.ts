import { afterEach, describe, expect, test, vi } from 'vitest'

import { Child } from '@sluice/run/child'
import { Keeper } from '@sluice/run/keeper'

const said: string[] = []
const keepers: Keeper[] = []
const keep = (script: string): Keeper => {
  const keeper = new Keeper({
    name: 'thing',
    say: (text) => said.push(text),
    launch: async () => {
      const child = await Child.spawn({ name: 'thing', command: process.execPath, args: ['-e', script] })
      await child.until((text) => text === 'ready' || undefined, 'to be ready', 10_000)
      return child
    },
  })
  keepers.push(keeper)
  return keeper
}
afterEach(async () => {
  await Promise.all(keepers.splice(0).map((keeper) => keeper.stop('SIGTERM', 1000)))
  said.length = 0
})

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const sits = `console.log('ready'); setInterval(() => undefined, 1000)`

describe('a keeper', () => {
  test('starts a killed process again and says what it said last', async () => {
    const keeper = keep(sits)
    await keeper.start()
    const first = keeper.child?.pid
    await keeper.child?.kill()
    await vi.waitFor(() => expect(keeper.child?.pid).toBeTypeOf('number'), 5000)
    expect(keeper.child?.pid).not.toBe(first)
    expect(said[0]).toBe('thing ended unexpectedly (SIGKILL); starting it again\n  | ready')
  })

  test('says why the first start failed, and leaves it at that', async () => {
    const keeper = keep(`console.error('no such luck'); process.exit(3)`)
    await expect(keeper.start()).rejects.toThrow(/thing ended \(3\); waited for it to be ready\n {2}\| no such luck/)
    expect(said).toEqual([])
  })

  test('stops a process that does not want to, and its children', async () => {
    const keeper = keep(`
      process.on('SIGTERM', () => undefined)
      const grandchild = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'])
      console.log('grandchild ' + grandchild.pid)
      ${sits}`)
    await keeper.start()
    const pid = keeper.child?.pid ?? 0
    const grandchild = Number(
      keeper.child
        ?.lastLines(5)
        .find((text) => text.startsWith('grandchild'))
        ?.split(' ')[1],
    )
    expect(alive(grandchild)).toBe(true)
    await keeper.stop('SIGTERM', 200)
    await vi.waitFor(() => expect([alive(pid), alive(grandchild)]).toEqual([false, false]), 2000)
  })
})
