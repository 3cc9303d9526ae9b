// Empties a queue made in advance into a sink and measures from the first message to the last: what benchmarks `drain`
// and `lane` share.

import { BenchDns } from './dns'
import { compete, conclude, type Rival } from './figures'
import { Haraka, makeHarakaFolder, type HarakaPlan } from './haraka'
import { Postfix, startSource, whyNoPostfix } from './postfix'
import { fillQueue } from './queue'
import { BenchRedis } from './redis'
import { Sink, type Taken } from './sink'

export interface DrainPlan {
  readonly bench: string
  readonly messages: number
  readonly roundTripMs: number
  readonly limit: number
  readonly size: number
}

const rounds = Number(process.env['ROUNDS'] ?? 5)

const patienceMs = 300_000

export const drain = async (plan: DrainPlan): Promise<void> => {
  const dns = await BenchDns.start()
  const redis = await BenchRedis.start()
  if (!redis) console.log('REDIS IS MISSING: leases are local')
  const missing = whyNoPostfix()
  if (missing) console.log(`POSTFIX IS LEFT OUT: ${missing}`)

  /** A sink for each run, so that nothing is left over from the one before. */
  const withSink = async (run: (sink: Sink) => Promise<Taken>): Promise<number> => {
    const sink = await Sink.start(plan.roundTripMs, true)
    try {
      const { ms, connections, mostOpen } = await run(sink)
      console.log(`  ${connections} connections, at most ${mostOpen} at a time`)
      return (plan.messages / ms) * 1000
    } finally {
      await sink.stop()
    }
  }

  const haraka = (kind: HarakaPlan['kind']): Rival => ({
    name: kind,
    run: () =>
      withSink(async (sink) => {
        const folder = await makeHarakaFolder()
        await fillQueue(folder, plan.messages, plan.size)
        const to = { port: sink.port, tls: true, dnsPort: dns.port }
        const started = await Haraka.start({
          kind,
          to,
          limit: plan.limit,
          folder,
          ...(redis ? { redisUrl: redis.url } : {}),
        })
        try {
          const before = started.child.cpuMs
          const taken = await sink.take(0, plan.messages, patienceMs)
          console.log(`  ${((started.child.cpuMs - before) / plan.messages).toFixed(2)} ms CPU per message`)
          return taken
        } finally {
          await started.stop()
        }
      }),
  })

  const postfix: Rival = {
    name: 'postfix',
    run: () =>
      withSink(async (sink) => {
        const settings = {
          defer_transports: 'smtp',
          smtp_tls_connection_reuse: 'yes',
          smtp_connection_cache_on_demand: 'yes',
          smtp_connection_cache_destinations: 'static:all',
          smtp_tls_session_cache_database: '',
        }
        const started = await Postfix.start({ to: { port: sink.port, tls: true }, limit: plan.limit, settings })
        try {
          const source = startSource(started.port, plan.messages, 20, plan.size)
          await source.ended()
          started.run('postconf', '-e', 'defer_transports =')
          started.run('postfix', 'reload')
          started.run('postqueue', '-f')
          return await sink.take(0, plan.messages, patienceMs)
        } finally {
          await started.stop()
        }
      }),
  }

  const rivals = [haraka('vanilla'), haraka('sluice'), haraka('limits'), ...(missing ? [] : [postfix])]
  const chosen = process.env['ONLY']?.split(',')
  try {
    const running = chosen ? [haraka('host'), ...rivals].filter(({ name }) => chosen.includes(name)) : rivals
    conclude(plan.bench, 'sluice', await compete(running, rounds))
  } finally {
    await redis?.stop()
    dns.stop()
  }
}

/** Runs it as a program. */
export const main = (plan: DrainPlan): void => {
  drain(plan).catch((thrown: unknown) => {
    console.error(thrown)
    process.exitCode = 1
  })
}
