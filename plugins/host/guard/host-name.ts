// Guard `host_name`: the system is asked for its name once a minute. Haraka asks it in every reply (to print it in one
// log line at most) and for every queue file: five system calls a message, a twentieth of the main thread.

import os from 'node:os'

import type { HarakaPlugin } from '../haraka'
import { expectShape } from './shape'

/** A host that is renamed is known by its new name after this; ms. */
const keptMs = 60_000

export const installHostName = (haraka: HarakaPlugin): void => {
  const { qfile } = haraka.haraka_require('outbound')
  expectShape(qfile, { name: 'hostname', mentions: ['os.hostname()'] })

  const ask = os.hostname
  let name = ask()
  let asked = performance.now()
  os.hostname = () => {
    const now = performance.now()
    if (now - asked > keptMs) [name, asked] = [ask(), now]
    return name
  }
}
