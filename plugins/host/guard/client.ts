// Guard `client`: our SMTP client in the place of the one in outbound/hmail.js (try_deliver and all below it). Mail
// with a route needs no MX look-up by Haraka; mail without one comes here with the list Haraka made. LMTP and unix
// sockets stay with Haraka's client, and so does the end of a list that has nobody on it.

import { messageOf } from '@sluice/core/errors'

import { isForeign, planOfMxList, planOfRoute, type HarakaSettings } from '../deliver/plan'
import type { HarakaHost } from '../host'
import type { HarakaItem, HarakaPlugin } from '../haraka'
import { expectShape } from './shape'

export const installClient = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const outbound = haraka.haraka_require('outbound')
  const methods = outbound.HMailItem.prototype
  expectShape(methods, { name: 'get_mx', mentions: ["run_hooks('get_mx', this, domain)"] })
  expectShape(methods, { name: 'try_deliver', mentions: ['this.mxlist.shift()', 'client_pool.get_client(mx,'] })
  expectShape(methods, { name: 'split_to_new_recipients', mentions: ['hmail.refcount++', 'build_todo(new_todo'] })
  expectShape(methods, { name: 'temp_fail', mentions: ['this.num_failures++', "run_hooks('deferred', this"] })
  expectShape(methods, { name: 'delivered', mentions: ["run_hooks('delivered', this"] })
  expectShape(methods, { name: 'discard', mentions: ['this.refcount--'] })

  const settings: HarakaSettings = {
    outbound,
    config: haraka.haraka_require('outbound/config'),
    tls: haraka.haraka_require('outbound/tls'),
  }
  const { get_mx: lookUp, try_deliver: deliverByHaraka } = methods

  methods.get_mx = function (this: HarakaItem) {
    const route = host.attemptOf(this)?.route
    if (route) void host.client.deliver(this, planOfRoute(route))
    else lookUp.call(this)
  }
  methods.try_deliver = function (this: HarakaItem) {
    if (this.mxlist.length === 0 || this.mxlist.some(isForeign)) deliverByHaraka.call(this)
    else void deliverUnrouted(this, settings, host)
  }
}

const deliverUnrouted = async (hmail: HarakaItem, settings: HarakaSettings, host: HarakaHost): Promise<void> => {
  try {
    const plan = await planOfMxList(hmail, settings)
    await host.client.deliver(hmail, plan)
  } catch (thrown) {
    // deliver() never rejects: the plan could not be made, and nothing has been sent.
    hmail.logerror(`sluice-host: ${messageOf(thrown)}`)
    hmail.temp_fail(`internal error: ${messageOf(thrown)}`)
  }
}
