// All repairs of Haraka, in one list. Each is installed if it is switched on (sluice.yaml: host.guards) and finds the
// Haraka it knows; where it does not, it steps aside with one warning and Haraka stays as it was in that place.

import { hostGuards, type HostGuard } from '@sluice/core/config/sluice'
import { messageOf } from '@sluice/core/errors'

import type { HarakaHost } from '../host'
import type { HarakaPlugin } from '../haraka'
import { installClient } from './client'
import { installDns } from './dns'
import { installFlush } from './flush'
import { installHandover } from './handover'
import { installHooks } from './hooks'
import { installHostName } from './host-name'
import { installQueueLoader } from './queue-loader'
import { installQueueWriter } from './queue-writer'
import { installRetry } from './retry'
import { installRetryDelay } from './retry-delay'
import { isKnownVersion } from './shape'
import { installSlots } from './slots'
import { installTemporaryFiles } from './temporary-files'
import { installTermination } from './termination'

/** @throws before anything is changed, where Haraka is not as it should be (SLUICE_HOST_UNKNOWN) */
type Install = (haraka: HarakaPlugin, host: HarakaHost) => void

const guards: Partial<Record<HostGuard, Install>> = {
  client: installClient,
  dns: installDns,
  hooks: installHooks,
  slots: installSlots,
  retry: installRetry,
  retry_delay: installRetryDelay,
  temporary_files: installTemporaryFiles,
  queue_loader: installQueueLoader,
  handover: installHandover,
  flush: installFlush,
  host_name: installHostName,
  termination: installTermination,
  queue_writer: installQueueWriter,
}

export const installGuards = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const { guards: switches } = host.configuration.current.sluice.host
  const { version } = haraka.haraka_require('package.json')
  const known = isKnownVersion(version)
  if (!known) haraka.logwarn(`Haraka ${version} is not known to this version of Sluice: no guard is installed`)
  for (const name of hostGuards) {
    const install = guards[name]
    if (!install || switches[name] === false) continue
    if (known) attempt(name, () => install(haraka, host), haraka)
  }
}

const attempt = (name: HostGuard, install: () => void, haraka: HarakaPlugin): void => {
  try {
    install()
  } catch (thrown) {
    // Every guard looks at all it needs before it changes anything.
    haraka.logwarn(`guard ${name} steps aside: this Haraka is not the one it knows: ${messageOf(thrown)}`)
  }
}
