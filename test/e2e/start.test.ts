// `npm start` as a user has it: one Ctrl-C in the terminal ends everything, and so does losing the supervisor.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { descendantsOf, stillThere } from '../harness/processes'
import { submit } from '../harness/submit'

const program = path.join(__dirname, '../../bin/run.cjs')
let data: string
let started: ChildProcess | undefined
let below: number[] = []

beforeEach(async () => {
  data = await mkdtemp(path.join(tmpdir(), 'sluice-start-'))
})
afterEach(async () => {
  for (const pid of stillThere([...below, started?.pid ?? 0].filter(Boolean))) process.kill(pid, 'SIGKILL')
  await rm(data, { recursive: true, force: true, maxRetries: 3 })
})

/** As a terminal does it: a process group of its own, which gets the signals of the keyboard. */
const start = async (env: NodeJS.ProcessEnv = {}): Promise<{ said: () => string; pid: number }> => {
  const child = spawn(process.execPath, [program, 'start', '--data', data], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  started = child
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  await vi.waitFor(() => expect(said, said).toContain('Ctrl-C stops everything'), { timeout: 40_000, interval: 50 })
  const pid = child.pid ?? 0
  below = descendantsOf(pid)
  return { said: () => said, pid }
}

describe('npm start', () => {
  test('says where to submit mail, where the API is and where the tokens are; Ctrl-C leaves nobody behind', async () => {
    const { said, pid } = await start({ REDIS_URL: '' })
    const port = Number(/^Submit mail to +127\.0\.0\.1:(\d+)/m.exec(said())?.[1])
    const http = /^HTTP API +(\S+)\/v1$/m.exec(said())?.[1] ?? ''
    const tokens = /^Bearer tokens +(\S+)$/m.exec(said())?.[1] ?? ''
    expect(await readFile(tokens, 'utf8')).not.toBe('')
    expect((await fetch(`${http}/v1/weights`)).status).toBe(401)
    expect(await submit(port, { to: 'someone@nowhere.invalid' })).toMatch(/^250/)
    expect(below.length).toBeGreaterThanOrEqual(3)

    const exited = once(started as ChildProcess, 'exit')
    const asked = Date.now()
    process.kill(-pid, 'SIGINT')
    expect(await exited).toEqual([0, null])
    expect(Date.now() - asked).toBeLessThan(10_000)
    expect(stillThere(below)).toEqual([])
  })

  test('takes its processes with it when it is killed', async () => {
    const { pid } = await start({ REDIS_URL: '' })
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(stillThere(below)).toEqual([]), { timeout: 10_000, interval: 100 })
  })
})
