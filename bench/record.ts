// The cost of one outcome record in a worker: built from a settlement, classified, written to the spool. A refusal
// text of its own for every record, so that nothing can be remembered; turns of 50 records, as a busy worker has them.
// Limit: 20 us (1 % of what Haraka spends on a message).

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { loadBounceRules } from '@sluice/core/bounce/classify'
import type { Settlement } from 'haraka-plugin-sluice-host'
import { Verdicts } from 'haraka-plugin-sluice-host/dist/attempt/verdicts'
import { recordsOf, type Scene } from 'haraka-plugin-sluice-outcome/dist/records'
import { SpoolWriter } from 'haraka-plugin-sluice-outcome/dist/spool/writer'

import { figure, sayFigures } from './parts/figures'

const limitUs = 20
const turns = 400
const perTurn = 50
const rounds = 5

const rules = loadBounceRules((file) => readFileSync(require.resolve(`@sluice/core/data/${file}`), 'utf8'))
const verdicts = new Verdicts(() => rules)
const scene: Scene = {
  verdictOf: (attempt, evidence, over) => verdicts.of(attempt, evidence, over),
  discretion: { mode: 'plain' },
  host: 'bench',
  worker: '1',
}

const tag = {
  message_id: '0190a1b2-0000-7000-8000-000000000001',
  stream: 'news',
  tenant: 'acme',
  campaign: 'may',
  header_message_id: 'm1@sender.test',
  size: 10_240,
}
const mailbox = (user: string, host: string) => ({ user, host, address: `${user}@${host}` })

const settlementOf = (n: number): Settlement => {
  const delivered = n % 4 !== 0
  const user = `user${n}`
  return {
    at: Date.now(),
    tries: [],
    attempt: {
      id: '0190a1b2-0000-7000-8000-000000000002',
      started: Date.now() - 80,
      number: 1,
      hmail: {
        filename: `queue-file-${n}`,
        path: `queue/queue-file-${n}`,
        num_failures: 0,
        file_size: 10_240,
        todo: {
          uuid: `0190A1B2-0000-4000-8000-${n}.1`,
          domain: 'example.com',
          queue_time: Date.now() - 500,
          mail_from: mailbox('bounces', 'sender.test'),
          rcpt_to: [mailbox(user, 'example.com')],
          notes: { sluice: tag },
        },
      },
      route: {
        pool: 'main',
        source: 'mta-1',
        provider: 'google',
        site: 'l.google.com',
        lane: 'mta-1|google',
        propensity: 0.75,
        routing_version: 12,
        hosts: [],
        bind: {},
        ehlo: 'mta-1.sender.test',
        lease: { id: 'lease', release: () => undefined },
        messages_per_connection: 50,
        recipients_per_message: 100,
        idle_ms: 10_000,
        timeouts: { connect: 1, banner: 1, mail: 1, rcpt: 1, data: 1, block: 1, dot: 1 },
      },
    },
    recipients: [
      {
        address: `${user}@example.com`,
        kind: delivered ? 'delivered' : 'deferred',
        evidence: {
          mx_host: 'alt1.aspmx.l.google.com',
          remote_ip: '192.0.2.27',
          port: 25,
          local_ip: '192.0.2.11',
          phase: delivered ? 'dot' : 'rcpt',
          code: delivered ? 250 : 450,
          enhanced: delivered ? '2.0.0' : '4.2.1',
          lines: delivered
            ? [`250 2.0.0 OK  ${n} a640c23a62f3a-ab67626ed70si756442666b.465 - gsmtp`]
            : [
                `450-4.2.1 The user you are trying to contact is receiving email at a rate that`,
                `450 4.2.1 prevents additional messages from being delivered. ${n} - gsmtp`,
              ],
          tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
          connect_ms: 12,
          tls_ms: 21,
          first_reply_ms: 34,
          total_ms: 80,
          connection_use: n % 50,
        },
      },
    ],
  }
}

/** us per record, its share of the writes included. */
const round = async (writer: SpoolWriter): Promise<number> => {
  const settlements = Array.from({ length: turns * perTurn }, (_, n) => settlementOf(n))
  const begin = process.cpuUsage()
  for (let turn = 0; turn < turns; turn++) {
    for (const settlement of settlements.slice(turn * perTurn, (turn + 1) * perTurn)) {
      for (const record of recordsOf(settlement, scene)) writer.append(record)
    }
    await new Promise(setImmediate)
  }
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / settlements.length
}

const main = async (): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-bench-'))
  const writer = new SpoolWriter({
    folder,
    host: 'bench',
    worker: '1',
    bounds: () => ({ max: 1e12, minFree: 0 }),
    log: { notice: console.log, error: console.error },
  })
  const times: number[] = []
  for (let n = 0; n <= rounds; n++) times.push(await round(writer))
  writer.close()
  await rm(folder, { recursive: true, force: true })

  const sorted = times.slice(1).sort((a, b) => a - b)
  const ours = sorted[rounds >> 1] ?? Infinity
  console.log(`one record: ${ours.toFixed(1)} us of CPU (median of ${rounds} x ${turns * perTurn} records)`)
  sayFigures([figure('less', { bench: 'record', ours, against: 'limit', theirs: limitUs, unit: 'us' })])
  if (writer.losses.total > 0 || ours > limitUs) process.exitCode = 1
}

void main()
