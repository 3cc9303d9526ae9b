// The Lua scripts of lua/, read once and typed: `<command>-<number of keys>.lua` becomes a method of the client.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Methods that ioredis makes of the scripts; keys first, then arguments, as the script's head says. */
export interface ScriptCommands {
  acquireLeases(
    leases: string,
    limit: number,
    ttlMs: number,
    channel: string,
    before: string,
    after: string,
    ...ids: string[]
  ): Promise<[number, number]>
  releaseLease(leases: string, id: string, limit: number, channel: string, notice: string): Promise<number>
  renewLeases(leases: string, ttlMs: number, ...ids: string[]): Promise<number>
  heartbeat(workers: string, worker: string, silenceMs: number): Promise<number>
  teach(
    entries: string,
    ends: string,
    sequence: string,
    name: string,
    read: string,
    text: string,
    keepMs: number,
    most: number,
    channel: string,
  ): Promise<[number, string, number]>
  claimClosing(guard: string, scope: string, most: number, hourMs: number): Promise<number>
}

export type Scripts = Record<keyof ScriptCommands, { readonly lua: string; readonly numberOfKeys: number }>

const names = [
  'acquireLeases',
  'releaseLease',
  'renewLeases',
  'heartbeat',
  'teach',
  'claimClosing',
] as const satisfies (keyof ScriptCommands)[]

/** lua/ lies beside package.json; the compiled files lie one folder deeper than their sources. */
const luaFolder = (from = __dirname): string =>
  existsSync(path.join(from, 'package.json')) ? path.join(from, 'lua') : luaFolder(path.dirname(from))

export const readScripts = (): Scripts => {
  const folder = luaFolder()
  const files = readdirSync(folder)
  const read = (name: string) => {
    const file = files.find((one) => one.startsWith(`${name}-`)) ?? `${name}-1.lua`
    return { lua: readFileSync(path.join(folder, file), 'utf8'), numberOfKeys: Number(/-(\d+)\.lua$/.exec(file)?.[1]) }
  }
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Scripts
}
