// Attachments as they come: plain, gzip or zip, known by their first bytes and not by their name. Expansion stops at the
// limit with a coded error, so that a bomb costs no more memory than an honest report.

import { gunzip } from 'node:zlib'

import { messageOf, SluiceError } from '@sluice/core/errors'
import yauzl, { type Entry, type ZipFile } from 'yauzl'

import { overLimit, type ReportLimits } from './limits'

const startsWith = (bytes: Uint8Array, ...head: number[]): boolean => head.every((byte, at) => bytes[at] === byte)

/**
 * The file inside an attachment; of a zip, its first entry whose name ends as an aggregate report's does.
 * @throws SluiceError SLUICE_REPORT_LIMIT where it expands beyond the limit, SLUICE_REPORT_CONTENT where it is broken
 */
export const expand = async (bytes: Uint8Array, limits: ReportLimits): Promise<Uint8Array> => {
  if (startsWith(bytes, 0x1f, 0x8b)) return expandGzip(bytes, limits)
  if (startsWith(bytes, 0x50, 0x4b, 0x03, 0x04)) return expandZip(bytes, limits)
  if (bytes.length > limits.expanded_bytes) throw overLimit('bytes expanded', limits.expanded_bytes)
  return bytes
}

const broken = (error: unknown): SluiceError =>
  new SluiceError('SLUICE_REPORT_CONTENT', `a compressed report cannot be read: ${messageOf(error)}`, { cause: error })

const expandGzip = (bytes: Uint8Array, limits: ReportLimits): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength: limits.expanded_bytes }, (error, expanded) => {
      if (!error) resolve(expanded)
      else if ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
        reject(overLimit('bytes expanded', limits.expanded_bytes))
      } else reject(broken(error))
    })
  })

const expandZip = async (bytes: Uint8Array, limits: ReportLimits): Promise<Uint8Array> => {
  const zip = await openZip(bytes)
  try {
    return await readEntry(zip, await findEntry(zip, limits), limits)
  } catch (error) {
    throw error instanceof SluiceError ? error : broken(error)
  } finally {
    zip.close()
  }
}

const openZip = (bytes: Uint8Array): Promise<ZipFile> =>
  new Promise((resolve, reject) => {
    yauzl.fromBuffer(Buffer.from(bytes), { lazyEntries: true, validateEntrySizes: true }, (error, zip) => {
      // The declared type says null or undefined; a callback without an error has a zip.
      if (error) reject(broken(error))
      else resolve(zip)
    })
  })

const findEntry = (zip: ZipFile, limits: ReportLimits): Promise<Entry> =>
  new Promise((resolve, reject) => {
    let looked = 0
    zip.on('error', reject)
    zip.on('end', () => reject(new SluiceError('SLUICE_REPORT_CONTENT', 'the archive has no report in it')))
    zip.on('entry', (entry: Entry) => {
      looked++
      if (/\.(?:xml|json)$/i.test(entry.fileName)) resolve(entry)
      else if (looked >= limits.archive_entries) reject(overLimit('files in an archive', limits.archive_entries))
      else zip.readEntry()
    })
    zip.readEntry()
  })

const readEntry = (zip: ZipFile, entry: Entry, limits: ReportLimits): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    if (entry.uncompressedSize > limits.expanded_bytes) {
      reject(overLimit('bytes expanded', limits.expanded_bytes))
      return
    }
    zip.openReadStream(entry, (error, stream) => {
      if (error) {
        reject(broken(error))
        return
      }
      const chunks: Buffer[] = []
      let size = 0
      stream.on('error', (fault) => reject(broken(fault)))
      stream.on('data', (chunk: Buffer) => {
        size += chunk.length
        chunks.push(chunk)
        if (size > limits.expanded_bytes) stream.destroy(overLimit('bytes expanded', limits.expanded_bytes))
      })
      stream.on('end', () => resolve(Buffer.concat(chunks)))
    })
  })
