// The parts of Haraka that Sluice reaches into, by name and type, and nothing else. Everything here is unofficial:
// what is used is checked at start (see guard/), and only files of plugins/host import this one.

import type Cluster from 'node:cluster'
import type { EventEmitter } from 'node:events'
import type { Writable } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'

import type { HMail, MailAddress } from './contract'

/** Return codes of hooks (haraka-constants). */
export const reply = { cont: 900, deny: 902, denysoft: 903, ok: 906, delay: 908 } as const

export type Next = (code?: number, message?: unknown) => void

/** A hook that is running: plugin, method, and the function that cancels it. */
type RunningHook = [plugin: unknown, method: string, cancel: () => void]

/** Recipient of a queue file, with what Haraka notes on it for the bounce message. */
export interface HarakaRecipient extends MailAddress {
  readonly original: string
  format(asAscii?: boolean): string
  reason?: string
  dsn_action?: string
  dsn_status?: string
  dsn_code?: number
  dsn_msg?: string
  dsn_remote_mta?: string
  dsn_smtp_code?: string
  dsn_smtp_extc?: string
  dsn_smtp_response?: string
}

/** What goes with a failure into Haraka's deferred and bounce hooks. */
export interface FailureDetails {
  readonly mx?: HarakaMx
  readonly fail_recips?: readonly HarakaRecipient[]
  readonly bounce_recips?: readonly HarakaRecipient[]
}

/** outbound/hmail.js */
export interface HarakaItem
  extends Omit<HMail, 'todo' | 'num_failures' | 'file_size'>, Pick<EventEmitter, 'once' | 'emit' | 'listenerCount'> {
  file_size: number
  read_todo(): void
  num_failures: number
  /** Offset of the content in the queue file. */
  readonly data_start: number
  refcount: number
  mxlist: HarakaMx[]
  get_force_tls(mx: HarakaMx): boolean
  discard(): void
  temp_fail(why: string, details?: FailureDetails): void
  bounce(why: string, details?: FailureDetails): void
  delivered(
    ip: string,
    port: number,
    mode: string,
    host: string,
    response: string,
    accepted: readonly HarakaRecipient[],
    deferred: readonly HarakaRecipient[],
    bounced: readonly HarakaRecipient[],
    secured: boolean,
    authenticated: boolean,
  ): void
  split_to_new_recipients(recipients: readonly HarakaRecipient[], why: string, then: (item: HarakaItem) => void): void
  readonly todo: Omit<HMail['todo'], 'mail_from' | 'rcpt_to'> & {
    readonly mail_from: HarakaRecipient
    rcpt_to: readonly HarakaRecipient[]
  }
  current_hook: RunningHook | null
  hooks_to_run: unknown[]
  next_cb: () => void
  loginfo(...data: unknown[]): void
  lognotice(...data: unknown[]): void
  logwarn(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

/** An MX as Haraka's hooks give and take it (haraka-net-utils HarakaMx). */
export interface HarakaMx {
  exchange?: string
  path?: string
  priority?: number
  port?: number
  bind?: string
  bind_helo?: string
  using_lmtp?: boolean
  auth_user?: string
  auth_pass?: string
  auth_type?: string
  from_dns?: string
}

/** outbound/queue.js, class Queue */
export interface WorkQueue {
  /** Waiting. */
  tasks: HarakaItem[]
  /** Holding a slot. */
  running: number
  push(task: HarakaItem): void
  _process(): void
}

/** haraka-message-stream */
export interface MessageStream {
  readonly bytes_read: number
  /** Header fields, each with its line end. */
  readonly headers: readonly string[]
  /** It has a file. */
  readonly spooling: boolean
  add_line: (line: Buffer | string) => void
  destroy: () => void
  pipe(into: Writable, options: { readonly dot_stuffed: boolean }): void
}

/** outbound/todo.js */
export interface TodoItem {
  readonly message_stream: MessageStream
  readonly notes: unknown
}

/** The part of a transaction that becomes queue files. */
export interface QueuedTransaction {
  readonly message_stream?: MessageStream
  readonly rcpt_to: readonly MailAddress[]
}

/** outbound/index.js */
export interface Outbound {
  process_delivery: (this: Outbound, paths: string[], todo: TodoItem, items: HarakaItem[]) => Promise<void>
  send_trans_email: (
    this: Outbound,
    transaction: QueuedTransaction,
    next: ((code: number, text: unknown) => void) | undefined,
  ) => void
  readonly delivery_queue: WorkQueue
  readonly HMailItem: {
    new (file: string, path: string, notes?: unknown): HarakaItem
    readonly prototype: HarakaItemMethods
  }
  readonly qfile: QueueFiles
  flush_queue: OutboundQueue['flush_queue']
  readonly net_utils: {
    is_local_host(host: string): Promise<boolean>
    get_primary_host_name(): string
    ip_in_list(list: unknown, ip: string): boolean
  }
}

/** Methods of HMailItem that are replaced. */
export interface HarakaItemMethods {
  get_mx: (this: HarakaItem) => void
  try_deliver: (this: HarakaItem) => void
  discard: (this: HarakaItem) => void
  send_email_respond: (this: HarakaItem, code: number, seconds: unknown) => void
  temp_fail: (this: HarakaItem, why: string, details?: FailureDetails) => void
  bounce: (this: HarakaItem, why: string, details?: FailureDetails) => void
  deferred_respond: (this: HarakaItem, code: number, message: unknown, params: { delay?: unknown }) => unknown
  size_file: (this: HarakaItem) => void
  read_todo: (this: HarakaItem) => void
  /** Bytes of the file, both ends included. */
  _stream_bytes_from: (this: HarakaItem, file: string, range: { start: number; end: number }) => Promise<Buffer>
  send: (this: HarakaItem) => void
}

/** What the file name of a queue file says (outbound/qfile.js). */
export interface QueueFileParts {
  /** ms since 1970 */
  readonly arrival: number
  readonly next_attempt: number
  readonly attempts: number
  readonly pid: number
  readonly uid: string
}

/** outbound/qfile.js */
export interface QueueFiles {
  readonly platformDOT: string
  name(parts?: Partial<QueueFileParts>): string
  /** null where the name is not that of a queue file */
  parts(name: string): QueueFileParts | null
}

/** One entry of haraka-utils TimerQueue. */
export interface Timer {
  readonly id: string
  readonly fire_time: number
  /** null once cancelled */
  readonly cb: (() => void) | null
}

/** haraka-utils TimerQueue, sorted by time. */
export interface TimerQueue {
  queue: Timer[]
  add(id: string, ms: number, then: () => void): void
  shutdown(): void
}

/** outbound/queue.js: its functions call each other through the module, so they can be replaced there. */
export interface OutboundQueue {
  readonly queue_dir: string
  readonly delivery_queue: WorkQueue
  readonly temp_fail_queue: TimerQueue
  delete_dot_files: () => Promise<void>
  load_queue_files: <T>(
    pid: string | number | undefined,
    files: readonly string[],
    each: (file: string) => Promise<T>,
  ) => Promise<T[]>
  _add_file: (file: string) => Promise<string>
  /** @returns the new name; throws an Error with the file system's as its cause */
  rename_to_actual_pid(file: string, parts: QueueFileParts): Promise<string>
  flush_queue: (domain?: string, pid?: number) => Promise<void>
  list_queue(): Promise<({ readonly file: string; readonly domain: string; readonly pid: number | null } | null)[]>
}

/** server.js */
export interface HarakaServer {
  readonly cluster?: typeof Cluster
  readonly cfg: { readonly main: { readonly force_shutdown_timeout: number } }
  stopListeners(): void
}

/** plugins.js */
export interface HarakaPlugins {
  readonly registered_plugins: Readonly<Record<string, HarakaPlugin & Record<string, unknown>>>
  readonly registered_hooks: Readonly<Record<string, readonly { readonly plugin: string; readonly method: string }[]>>
  run_hooks(hook: string, item: HarakaItem, parameters: unknown): void
  shutdown_plugins(): void
}

/** outbound/config.js */
export interface OutboundConfig {
  readonly cfg: {
    readonly local_mx_ok: boolean
    readonly enable_tls: boolean
    readonly always_split: boolean
    readonly temp_fail_intervals: readonly number[]
  }
}

/** outbound/tls.js */
export interface OutboundTls {
  readonly cfg: (SecureContextOptions & { readonly no_tls_hosts?: unknown }) | undefined
}

export interface PluginLog {
  loginfo(...data: unknown[]): void
  lognotice(...data: unknown[]): void
  logwarn(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

/** The `this` of a hook (plugins.js, class Plugin). */
export interface HarakaPlugin extends PluginLog {
  readonly name: string
  /** Seconds; 0 = none. */
  timeout: number
  register_hook(hook: string, method: string, priority?: number): void
  haraka_require(name: 'outbound'): Outbound
  haraka_require(name: 'outbound/config'): OutboundConfig
  haraka_require(name: 'outbound/tls'): OutboundTls
  haraka_require(name: 'transaction'): {
    createTransaction: (uuid: unknown, settings: unknown) => QueuedTransaction
  }
  haraka_require(name: 'outbound/queue'): OutboundQueue
  haraka_require(name: 'plugins'): HarakaPlugins
  haraka_require(name: 'server'): HarakaServer
  haraka_require(name: 'package.json'): { readonly version: string }
  haraka_require(name: string): unknown
}
