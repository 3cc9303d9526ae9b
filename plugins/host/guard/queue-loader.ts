// Guard `queue_loader`: a big queue loads in order of age with few descriptors and bounded memory, a mail that is due
// in 10 s after a restart waits 10 s and not 20, and a file that cannot be read leaves no slot occupied.

import { messageOf } from '@sluice/core/errors'

import { Attached } from '@sluice/core/transient/attached'
import type { HarakaItem, HarakaPlugin, OutboundQueue, QueueFiles } from '../haraka'
import type { HarakaHost } from '../host'
import { byAge, inTurn, QueueLoader } from '../queue/loader'
import { CorruptQueueFile, readHead, setAside, type QueueFileHead } from '../queue/read-item'
import { expectShape } from './shape'

/** What has been read of a file, for read_todo. */
const heads = new Attached<HarakaItem, Buffer>()
/** Items whose file cannot be read: they must not wait for a `ready` that never comes. */
const broken = new WeakSet<HarakaItem>()

export const installQueueLoader = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const outbound = haraka.haraka_require('outbound')
  const queue = haraka.haraka_require('outbound/queue')
  const methods = outbound.HMailItem.prototype
  expectShape(queue, { name: 'load_queue_files', mentions: ['exports.rename_to_actual_pid', 'iteratee(item)'] })
  expectShape(queue, { name: 'rename_to_actual_pid', mentions: ['uid: parts.uid', 'cause: err'] })
  expectShape(queue, { name: '_add_file', mentions: ['exports.cur_time', 'load_queue.push(file)'] })
  expectShape(methods, { name: 'size_file', mentions: ['fs.stat(this.path)', 'this.read_todo()'] })
  expectShape(methods, { name: 'read_todo', mentions: ['todo_bytes', "this.emit('ready')"] })
  expectShape(methods, { name: '_stream_bytes_from', mentions: ['raw_bytes', 'createReadStream(file_path, opts)'] })
  expectShape(methods, { name: 'send', mentions: ["this.once('ready'", 'this._send()'] })

  const loader = new QueueLoader(outbound, queue, (text) => haraka.logerror(text))
  queue.load_queue_files = async (pid, files, each) => {
    const wanted = Number(pid) || undefined
    const good = files.filter((file) => isQueueFile(file, outbound.qfile, haraka))
    const own = wanted === undefined ? good : good.filter((file) => outbound.qfile.parts(file)?.pid === wanted)
    const taken = wanted === undefined ? own : await inTurn(own, (file) => adopt(file, queue, outbound.qfile, haraka))
    const present = byAge(
      taken.filter((file) => file !== undefined),
      outbound.qfile,
    )
    const results = await inTurn(present, each)
    return results.filter((one) => one !== null && one !== undefined)
  }
  queue._add_file = (file) => {
    const due = outbound.qfile.parts(file)?.next_attempt ?? 0
    const wait = due - Date.now()
    if (wait <= 0) loader.push(file)
    else queue.temp_fail_queue.add(file, wait, () => loader.push(file))
    return Promise.resolve(file)
  }

  methods.size_file = function (this: HarakaItem) {
    void prepare(this, host)
  }
  const { send, _stream_bytes_from: readFile } = methods
  methods._stream_bytes_from = function (this: HarakaItem, file, range) {
    const head = heads.get(this)
    if (!head || range.end >= head.length) return readFile.call(this, file, range)
    return Promise.resolve(head.subarray(range.start, range.end + 1))
  }
  methods.send = function (this: HarakaItem) {
    if (broken.has(this)) this.next_cb()
    else send.call(this)
  }
}

/** Reads the head of the file and lets Haraka make the todo of it. */
const prepare = async (item: HarakaItem, { fresh, files }: HarakaHost): Promise<void> => {
  try {
    const known = fresh.takeHead(item.path)
    const found: QueueFileHead = known ?? (await readHead(item.path, files))
    if (found.content) fresh.keepContent(item.path, found.content)
    item.file_size = found.size
    heads.set(item, found.head)
    item.once('ready', () => heads.delete(item))
    item.read_todo()
  } catch (thrown) {
    broken.add(item)
    const why = `queue file ${item.filename} cannot be read: ${messageOf(thrown)}`
    item.logerror(why)
    if (thrown instanceof CorruptQueueFile) await setAside(item.path, (text) => item.logerror(text))
    if (item.listenerCount('error') > 0) item.emit('error', why)
    item.next_cb()
  }
}

const isQueueFile = (file: string, qfile: QueueFiles, haraka: HarakaPlugin): boolean => {
  if (file.startsWith(qfile.platformDOT) || file.startsWith('error.')) return false
  if (qfile.parts(file)) return true
  haraka.logerror(`not a queue file: ${file}`)
  return false
}

/** Takes over the file of another process; undefined where somebody else was faster. */
const adopt = async (
  file: string,
  queue: OutboundQueue,
  qfile: QueueFiles,
  haraka: HarakaPlugin,
): Promise<string | undefined> => {
  const parts = qfile.parts(file)
  if (!parts) return undefined
  try {
    return await queue.rename_to_actual_pid(file, parts)
  } catch (thrown) {
    const cause = thrown instanceof Error ? (thrown.cause as NodeJS.ErrnoException | undefined) : undefined
    if (cause?.code !== 'ENOENT') haraka.logerror(`${file}: ${messageOf(thrown)}`)
    return undefined
  }
}
