// From the first byte in to the last message out, on loopback, 10 KB each, 20 submitters: Haraka as it is, Haraka with
// all Sluice plugins, Postfix. Submitters, receiver and all rivals share the machine's cores.

import { BenchDns } from './parts/dns'
import { compete, conclude, type Rival } from './parts/figures'
import { Haraka, type HarakaPlan } from './parts/haraka'
import { Postfix, startSource, whyNoPostfix } from './parts/postfix'
import { BenchRedis } from './parts/redis'
import { Sink } from './parts/sink'

const messages = Number(process.env['MESSAGES'] ?? 3000)
const rounds = Number(process.env['ROUNDS'] ?? 5)
/** Arguments of node for Haraka, e.g. `--cpu-prof`. */
const nodeArguments = process.env['NODE_ARGUMENTS']?.split(' ') ?? []
const size = 10_240
const sessions = 20

const main = async (): Promise<void> => {
  const dns = await BenchDns.start()
  const sink = await Sink.start(0, false)
  const redis = await BenchRedis.start()
  if (!redis) console.log('REDIS IS MISSING: leases are local')

  const measure = async (port: number, cpu: () => number, main?: () => number): Promise<number> => {
    const [before, cpuBefore, mainBefore] = [sink.messages, cpu(), main?.() ?? 0]
    const begun = performance.now()
    const source = startSource(port, messages, sessions, size)
    await sink.take(before, messages, 120_000)
    const ms = performance.now() - begun
    const thread = main ? `, ${((main() - mainBefore) / messages).toFixed(2)} of them the main thread's` : ''
    console.log(`  ${((cpu() - cpuBefore) / messages).toFixed(2)} ms CPU per message${thread}`)
    await source.ended()
    return (messages / ms) * 1000
  }

  const haraka = (kind: HarakaPlan['kind']): Rival => ({
    name: kind,
    run: async () => {
      const redisUrl = redis?.url
      const to = { port: sink.port, tls: false, dnsPort: dns.port }
      const process_ = await Haraka.start({ kind, to, limit: 100, ...(redisUrl ? { redisUrl } : {}), nodeArguments })
      try {
        return await measure(
          process_.port,
          () => process_.child.cpuMs,
          () => process_.child.mainThreadMs,
        )
      } finally {
        await process_.stop()
      }
    },
  })
  const postfix: Rival = {
    name: 'postfix',
    run: async () => {
      const process_ = await Postfix.start({ to: { port: sink.port, tls: false }, limit: 100 })
      try {
        return await measure(process_.port, () => process_.cpuMs)
      } finally {
        await process_.stop()
      }
    },
  }

  const missing = whyNoPostfix()
  if (missing) console.log(`POSTFIX IS LEFT OUT: ${missing}`)
  const rivals = [haraka('vanilla'), haraka('sluice'), haraka('limits'), ...(missing ? [] : [postfix])]
  const chosen = process.env['ONLY']?.split(',')
  try {
    conclude(
      'relay',
      'sluice',
      await compete(chosen ? [haraka('host'), ...rivals].filter((one) => chosen.includes(one.name)) : rivals, rounds),
    )
  } finally {
    await sink.stop()
    await redis?.stop()
    dns.stop()
  }
}

main().catch((thrown: unknown) => {
  console.error(thrown)
  process.exitCode = 1
})
