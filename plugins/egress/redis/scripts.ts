// The Lua scripts of lua/, read once and typed: `<command>-<number of keys>.lua` becomes a method of the client.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** granted, messages, wait, open, minute, used, full, pacing */
export type AdmitAnswer = readonly [number, number, number, number, number, number, number, number]

/** Methods that ioredis makes of the scripts; keys first, then arguments, as the script's head says. */
export interface ScriptCommands {
  admit(...keysAndArguments: readonly (string | number)[]): Promise<AdmitAnswer>
  releaseLease(
    leases: string,
    totalLeases: string,
    warmup: string,
    id: string,
    cap: number,
    totalCap: number,
    unsent: number,
    channel: string,
    lane: string,
  ): Promise<number>
  renewLeases(leases: string, totalLeases: string, ttlMs: number, totalCap: number, ...ids: string[]): Promise<number>
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
    writer: string,
  ): Promise<[number, string, number]>
  /** taken, used, wait */
  takeAllowance(
    count: string,
    due: string,
    wanted: number,
    limit: number,
    interval: number,
    tolerance: number,
  ): Promise<[number, number, number]>
  countAllowance(count: string, messages: number): Promise<number>
  giveBackAllowance(count: string, due: string, unused: number, interval: number): Promise<number>
  claimClosing(guard: string, scope: string, most: number, hourMs: number): Promise<string[]>
}

export type Scripts = Record<keyof ScriptCommands, { readonly lua: string; readonly numberOfKeys: number }>

const names = [
  'admit',
  'releaseLease',
  'renewLeases',
  'heartbeat',
  'teach',
  'claimClosing',
  'takeAllowance',
  'countAllowance',
  'giveBackAllowance',
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
