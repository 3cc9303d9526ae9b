// Who may do what: bearer tokens (RFC 6750) with scopes, in a file that only the owner may read. At first start it is
// made with one token of scope admin, which the command line uses too. Tokens of others can be kept as SHA-256 only.
// A changed file is taken up within a second; a bad one changes nothing.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { z } from 'zod'

import { readDocument } from '@sluice/core/config/document'
import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Log } from '../log'

export const scopes = ['read', 'steer', 'send', 'admin'] as const
export type Scope = (typeof scopes)[number]

const named = { name: z.string().min(1).max(64), scopes: z.array(z.enum(scopes)).min(1) }
const tokenFileSchema = z.strictObject({
  tokens: z
    .array(
      z.union(
        [
          z.strictObject({ ...named, token: z.string().min(20).max(512) }),
          z.strictObject({ ...named, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
        ],
        { error: '`name`, `scopes`, and `token` (20 characters or more) or `sha256` (hex)' },
      ),
    )
    .max(1000),
})

export interface Token {
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
}

const firstFile = (token: string): string =>
  `# Bearer tokens of the sidecar's HTTP interface. Scopes: read, steer (overrides, suspensions), send, admin (all).
# Instead of \`token\` an entry may have \`sha256\`, the hex digest of the token.
tokens:
  - name: admin
    token: ${token}
    scopes: [admin]
`
const recheckMs = 1000

const digest = (token: string): Buffer => createHash('sha256').update(token).digest()

export class TokenFile {
  private entries: readonly (Token & { readonly digest: Buffer })[] = []
  private readAt = 0
  private changedAt = 0

  private constructor(
    readonly file: string,
    private readonly log: Log,
  ) {}

  /**
   * Opens the file, or makes it.
   * @throws SluiceError SLUICE_TOKEN_FILE
   */
  static async open(file: string, log: Log): Promise<TokenFile> {
    const tokens = new TokenFile(file, log)
    await makeIfAbsent(file, log)
    await tokens.read()
    return tokens
  }

  /** The token given, or undefined. Takes the same time whichever of them it is. */
  async find(given: string): Promise<Token | undefined> {
    await this.refresh()
    const sought = digest(given)
    let found: Token | undefined
    for (const entry of this.entries) if (timingSafeEqual(entry.digest, sought)) found = entry
    return found
  }

  private async refresh(): Promise<void> {
    if (performance.now() - this.readAt < recheckMs) return
    this.readAt = performance.now()
    try {
      if ((await stat(this.file)).mtimeMs !== this.changedAt) await this.read()
    } catch (error) {
      this.log.error({ error: messageOf(error) }, 'token file refused; the last good one stays')
    }
  }

  private async read(): Promise<void> {
    try {
      const { mtimeMs, mode } = await stat(this.file)
      this.changedAt = mtimeMs
      if (mode & 0o077) this.log.warn({ file: this.file }, 'others may read the token file: chmod 600')
      const { value } = readDocument(path.basename(this.file), await readFile(this.file, 'utf8'), tokenFileSchema)
      this.entries = value.tokens.map((entry) => ({
        name: entry.name,
        scopes: new Set(entry.scopes),
        digest: 'token' in entry ? digest(entry.token) : Buffer.from(entry.sha256, 'hex'),
      }))
    } catch (cause) {
      throw new SluiceError('SLUICE_TOKEN_FILE', `${this.file}: ${messageOf(cause)}`, { cause })
    }
  }
}

const makeIfAbsent = async (file: string, log: Log): Promise<void> => {
  const token = `slc_${randomBytes(32).toString('base64url')}`
  try {
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, firstFile(token), { mode: 0o600, flag: 'wx' })
    log.info({ file }, 'token file made')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new SluiceError('SLUICE_TOKEN_FILE', `${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** The first token of a file that has `scope`, for the command line. @throws SluiceError SLUICE_TOKEN_FILE */
export const readToken = async (file: string, scope: Scope): Promise<string> => {
  try {
    const { value } = readDocument(file, await readFile(file, 'utf8'), tokenFileSchema)
    for (const entry of value.tokens) {
      if ('token' in entry && (entry.scopes.includes(scope) || entry.scopes.includes('admin'))) return entry.token
    }
  } catch (cause) {
    throw new SluiceError('SLUICE_TOKEN_FILE', `${file}: ${messageOf(cause)}`, { cause })
  }
  throw new SluiceError('SLUICE_TOKEN_FILE', `${file}: no token with scope ${scope}`)
}
