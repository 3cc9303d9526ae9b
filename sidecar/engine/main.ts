// The engine process: chDB behind ClickHouse's HTTP interface on loopback. It takes its orders from the parent over
// IPC, reports ready or why not, and ends when told (SIGTERM, or a closed IPC channel: a parent that died, however it
// died, takes the engine along). Nothing of a request survives here; a crash costs the queries that were running.

import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'

import { messageOf, SluiceError } from '@sluice/core/errors'

import { loadAddon } from './addon'
import { Embedded } from './embedded'
import { Infiles } from './infiles'
import { listen } from './listener'
import type { Orders, Report } from './orders'
import { Pipes } from './pipe'
import { Turnstile } from './turnstile'

/** After this long a clean end is given up, in milliseconds. ClickHouse survives a kill. */
const patienceMs = 5_000
/** Bodies up to here stay in memory. */
const bodyMemoryBytes = 1024 * 1024

/** Settles when the parent has it, or has gone: `disconnect` ends us then. */
const tell = (report: Report): Promise<void> =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(report, undefined, undefined, () => resolve())
    else resolve()
  })

/**
 * The end of the process, whatever state the engine is in. Not by exit(): the library's exit handlers wait for ever
 * where a connection is open, and would keep the folder locked. Whatever was acknowledged is in its files.
 */
const die = (): void => void process.kill(process.pid, 'SIGKILL')

const start = async (orders: Orders): Promise<() => Promise<void>> => {
  const { folder, limits } = orders
  const run = path.join(folder, 'run')
  const addon = loadAddon()
  const embedded = new Embedded(addon, path.join(folder, 'store'), limits)
  // Only now: whoever holds the store owns what is in `run`.
  await rm(run, { recursive: true, force: true })
  await mkdir(run, { recursive: true, mode: 0o700 })
  await embedded.createHome()
  const machine = {
    embedded,
    pipes: await Pipes.make(run, limits.reads),
    infiles: await Infiles.allow(orders.readable),
    reads: new Turnstile(limits.reads, limits.waiting),
    writes: new Turnstile(limits.writes, limits.waiting),
  }
  const listener = await listen(machine, {
    port: orders.port,
    username: orders.username,
    password: orders.password,
    body: {
      bytes: limits.bodyBytes,
      memoryBytes: bodyMemoryBytes,
      folder: run,
      spills: new Turnstile(limits.writes, limits.waiting),
    },
    stallMs: limits.stallMs,
  })
  await tell({ type: 'ready', port: listener.port, version: embedded.version })
  return async () => {
    await listener.close()
    await embedded.close()
  }
}

let started: Promise<() => Promise<void>> | undefined
let ending = false

const end = (): void => {
  if (ending) return
  ending = true
  setTimeout(die, patienceMs)
  void (async () => {
    const stop = await started?.catch(() => undefined)
    await stop?.()
  })().finally(die)
}

process.once('message', (orders: Orders) => {
  started = start(orders)
  started.catch((error: unknown) => {
    const code = error instanceof SluiceError ? error.code : 'SLUICE_INTERNAL'
    void tell({ type: 'failed', code, message: messageOf(error) }).then(end)
  })
})
process.once('disconnect', end)
process.on('SIGTERM', end)
// Ctrl-C goes to the whole group; the parent decides when the engine ends.
process.on('SIGINT', () => {})
for (const fault of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(fault, (error: unknown) => {
    console.error(error)
    die()
  })
}
