// A Postfix of its own for benchmarks: configuration, queue and data in a temporary folder, everything relayed to one
// port. Needs root, as Postfix does; `postfixIsHere` says why there is none.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { freePort } from './port'
import { Child, cpuOf } from './process'

const daemons = '/usr/lib/postfix/sbin'

/** Undefined = there is one. */
export const whyNoPostfix = (): string | undefined => {
  if (!existsSync('/usr/sbin/postfix') || !existsSync(daemons)) return 'Postfix is not installed'
  return process.getuid?.() === 0 ? undefined : 'Postfix needs root'
}

export interface PostfixPlan {
  readonly to: { readonly port: number; readonly tls: boolean }
  readonly limit: number
  /** Settings of main.cf. */
  readonly settings?: Readonly<Record<string, string>>
}

export class Postfix {
  private constructor(
    private readonly base: string,
    readonly port: number,
  ) {}

  static async start(plan: PostfixPlan): Promise<Postfix> {
    const base = await mkdtemp(path.join(tmpdir(), 'sluice-postfix-'))
    await chmod(base, 0o755)
    for (const folder of ['conf', 'queue', 'data']) await mkdir(path.join(base, folder))
    execFileSync('chown', ['postfix', path.join(base, 'data')])
    const port = await freePort()
    const settings: Record<string, string> = {
      compatibility_level: '3.6',
      queue_directory: path.join(base, 'queue'),
      data_directory: path.join(base, 'data'),
      daemon_directory: daemons,
      maillog_file: path.join(base, 'log'),
      maillog_file_prefixes: base,
      inet_interfaces: '127.0.0.1',
      inet_protocols: 'ipv4',
      myhostname: 'bench.test',
      mydestination: '',
      mynetworks: '127.0.0.0/8',
      alias_maps: '',
      alias_database: '',
      relayhost: `[127.0.0.1]:${plan.to.port}`,
      smtp_tls_security_level: plan.to.tls ? 'encrypt' : 'none',
      default_destination_concurrency_limit: String(plan.limit),
      initial_destination_concurrency: String(Math.min(plan.limit, 20)),
      smtpd_client_connection_count_limit: '0',
      disable_dns_lookups: 'yes',
      smtp_host_lookup: 'native',
      ...plan.settings,
    }
    const main = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`)
    await writeFile(path.join(base, 'conf/main.cf'), main.join(''))
    await writeFile(path.join(base, 'conf/master.cf'), masterCf(port))
    execFileSync('postfix', ['-c', path.join(base, 'conf'), 'start'], { stdio: 'ignore' })
    return new Postfix(base, port)
  }

  /** CPU of all its processes, ms; the master counts those that have ended. */
  get cpuMs(): number {
    const master = readFileSync(path.join(this.base, 'queue/pid/master.pid'), 'utf8').trim()
    const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ')
    return [master, ...children].filter(Boolean).reduce((sum, pid) => sum + cpuOf(Number(pid)), 0)
  }

  run(command: 'postqueue' | 'postconf' | 'postfix', ...args: string[]): void {
    execFileSync(command, ['-c', path.join(this.base, 'conf'), ...args], { stdio: 'ignore' })
  }

  async stop(): Promise<void> {
    try {
      this.run('postfix', 'abort')
    } catch {
      // It had stopped by itself; its folder goes all the same.
    }
    await rm(this.base, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  }
}

export const startSource = (port: number, messages: number, sessions: number, size: number): Child =>
  Child.start('smtp-source', [
    ...['-s', String(sessions), '-m', String(messages), '-l', String(size), '-d'],
    ...['-f', 'sender@sender.test', '-t', 'user@receiver.test', `127.0.0.1:${port}`],
  ])

const masterCf = (port: number): string => `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
`
