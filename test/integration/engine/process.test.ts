// The engine as a process: it keeps its data, its port and its folder to itself, and goes when its parent goes.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { startEngine } from '@sluice/sidecar/engine/process'

import { eventually, runEngine } from './running'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-process-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('the engine process', () => {
  it('keeps data over a restart and ends when stopped', async () => {
    const first = await runEngine({ folder })
    await first.client().command({ query: 'CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 7 AS a' })
    const { pid } = first.engine
    await first.client().close()
    await first.engine.stop()
    expect(alive(pid)).toBe(false)
    const second = await runEngine({ folder })
    const answer = await second.client().query({ query: 'SELECT a FROM t', format: 'JSONEachRow' })
    expect(await answer.json()).toEqual([{ a: 7 }])
    await second.end()
  })

  it('names the process that has the folder already', async () => {
    const holder = await runEngine({ folder })
    await expect(startEngine({ folder, lockWaitMs: 0 })).rejects.toMatchObject({
      code: 'SLUICE_ENGINE_LOCKED',
      message: expect.stringContaining(`process ${holder.engine.pid}`) as string,
    })
    await holder.end()
  })

  it('waits for a holder that is leaving', async () => {
    const leaving = await runEngine({ folder })
    const next = startEngine({ folder, lockWaitMs: 20_000 })
    await leaving.engine.stop()
    await (await next).stop()
  })

  it('comes back after a crash: same address, same password, same data', async () => {
    const running = await runEngine({ folder })
    const { engine } = running
    await running.client().command({ query: 'CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a AS SELECT 7 AS a' })
    const { pid, url } = engine
    process.kill(pid, 'SIGKILL')
    await eventually(async () => {
      const answer = await running
        .client()
        .query({ query: 'SELECT a FROM t', format: 'JSONEachRow' })
        .catch(() => undefined)
      return JSON.stringify(await answer?.json()) === '[{"a":7}]'
    }, 30)
    expect(engine.url).toBe(url)
    expect(engine.pid).not.toBe(pid)
    await running.end()
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'dies with a parent that gets %s, also in the middle of a query',
    async (signal) => {
      const script = path.join(folder, 'parent.cjs')
      const engineModule = path.resolve(__dirname, '../../../sidecar/dist/engine/process.js')
      await writeFile(
        script,
        `const { startEngine } = require(${JSON.stringify(engineModule)})
       startEngine({ folder: ${JSON.stringify(path.join(folder, 'data'))} }).then(({ pid, url, username, password }) => {
         fetch(url + '/?user=' + username + '&password=' + password, { method: 'POST', body: 'SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1' })
         setTimeout(() => process.send(pid), 200)
       })`,
      )
      const parent = fork(script, { execArgv: [] })
      const [pid] = (await once(parent, 'message')) as [number]
      expect(alive(pid)).toBe(true)
      parent.kill(signal)
      await eventually(() => !alive(pid), 10)
    },
  )

  it('says what to do where chDB is not installed', async () => {
    const script = path.join(folder, 'without.cjs')
    const dist = path.resolve(__dirname, '../../../sidecar/dist/engine')
    await writeFile(
      script,
      `const Module = require('node:module')
       const resolve = Module._resolveFilename
       Module._resolveFilename = (name, ...rest) => {
         if (name === 'chdb/package.json') throw Object.assign(new Error("Cannot find module 'chdb'"), { code: 'MODULE_NOT_FOUND' })
         return resolve(name, ...rest)
       }
       try { require(${JSON.stringify(path.join(dist, 'addon.js'))}).loadAddon() } catch ({ code, message }) { process.send({ code, message }) }`,
    )
    const [told] = (await once(fork(script, { execArgv: [] }), 'message')) as unknown[]
    expect(told).toEqual({
      code: 'SLUICE_ENGINE_MISSING',
      message: expect.stringContaining('set CLICKHOUSE_URL') as string,
    })
  })

  it('says what is wrong with a folder it cannot use', async () => {
    const file = path.join(folder, 'file')
    await writeFile(file, '')
    await expect(startEngine({ folder: path.join(file, 'below') })).rejects.toThrow(/ENOTDIR|not a directory/)
  })
})
