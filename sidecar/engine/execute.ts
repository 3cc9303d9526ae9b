// Runs one statement in a session of its own and answers it. Four ways, by what the statement is:
//   SELECT         through a named pipe, streaming in any format with back-pressure
//   INSERT + body  the complete body, from memory or as a file the engine reads itself
//   other reads    (SHOW, DESCRIBE, EXPLAIN, …) whole, they are small
//   the rest       (DDL, INSERT SELECT, INFILE, KILL, SYSTEM, …) for its effect
// When the client leaves, the query is killed and its place is free only when the engine has really let go of it.

import { literal } from '../sql/tokens'
import type { WriteCounts } from './addon'
import type { Answer, Summary } from './answer'
import type { Ask } from './ask'
import type { Body } from './body'
import type { Embedded, Session } from './embedded'
import { readException, refuse, type Exception } from './exception'
import { admitReadonly } from './guard'
import type { Infiles } from './infiles'
import type { Pipes } from './pipe'
import { readStatement, type Statement } from './statement'
import type { Turnstile } from './turnstile'

export interface Machine {
  readonly embedded: Embedded
  readonly pipes: Pipes
  readonly infiles: Infiles
  /** Places of SELECTs and other reads; as many as there are pipes. */
  readonly reads: Turnstile
  /** Places of everything else, so that a crowd of readers never keeps an insert waiting. */
  readonly writes: Turnstile
}

const streamed = new Set(['SELECT', 'WITH', 'FROM', '('])
const readingVerbs = new Set([...streamed, 'SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS', 'CHECK'])

/** Runs what was asked for. Never rejects: every failure is the answer, or nobody is there to hear it. */
export const execute = async (
  machine: Machine,
  ask: Ask,
  body: Body,
  answer: Answer,
  signal: AbortSignal,
): Promise<void> => {
  try {
    const query = readQuery(ask, body)
    const turnstile = readingVerbs.has(query.statement.verb) ? machine.reads : machine.writes
    const leave = await turnstile.enter(signal)
    try {
      await inSession(machine, ask, signal, (session) => run(machine, ask, query, session, answer, signal))
    } finally {
      leave()
    }
  } catch (error) {
    answer.fail(readException(error))
  }
}

interface Query {
  readonly text: string
  readonly statement: Statement
  /** Inline data of an INSERT. */
  readonly data: { readonly memory: Buffer } | { readonly file: string } | undefined
}

/** Query text and inline data from parameter and body; ClickHouse joins the two with a line end. */
const readQuery = (ask: Ask, body: Body): Query => {
  const fromUrl = ask.query === '' ? undefined : readStatement(ask.query)
  if (fromUrl?.dataAt !== undefined && body.bytes > 0 && ask.query.slice(fromUrl.dataAt).trim() === '') {
    return {
      text: ask.query.slice(0, fromUrl.length),
      statement: fromUrl,
      data: body.memory ? { memory: body.memory } : { file: body.file ?? '' },
    }
  }
  if (!body.memory)
    throw refuse('QUERY_IS_TOO_LARGE', 'a statement of this size is not accepted; only inline data may be so large')
  const joined = Buffer.concat([Buffer.from(fromUrl && body.bytes > 0 ? `${ask.query}\n` : ask.query), body.memory])
  const raw = readStatement(joined.toString('latin1'))
  if (raw.dataAt !== undefined) {
    const text = asText(joined.subarray(0, raw.length))
    return { text, statement: readStatement(text), data: { memory: joined.subarray(raw.dataAt) } }
  }
  const text = asText(joined)
  const statement = readStatement(text)
  if (statement.verb === '') throw refuse('SYNTAX_ERROR', 'the query is empty')
  return { text: text.slice(0, statement.length), statement, data: undefined }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

const asText = (bytes: Buffer): string => {
  try {
    return utf8.decode(bytes)
  } catch {
    throw refuse('BAD_ARGUMENTS', 'the query is not valid UTF-8')
  }
}

const inSession = async (
  { embedded }: Machine,
  { database, settings, params, readonly }: Ask,
  signal: AbortSignal,
  use: (session: Session) => Promise<void>,
): Promise<void> => {
  const session = await embedded.session({ ...(database !== undefined && { database }), settings, params, readonly })
  const kill = (): void => void embedded.kill(session)
  signal.addEventListener('abort', kill, { once: true })
  try {
    signal.throwIfAborted()
    await use(session)
  } finally {
    signal.removeEventListener('abort', kill)
    await embedded.kill(session)
    await session.close()
  }
}

const run = async (
  machine: Machine,
  ask: Ask,
  query: Query,
  session: Session,
  answer: Answer,
  signal: AbortSignal,
): Promise<void> => {
  const { statement, text } = query
  const analysis = await session.classify(text)
  if (analysis.statementCount > 1) throw refuse('SYNTAX_ERROR', 'Multi-statements are not allowed')
  if (statement.outfile) throw refuse('NOT_IMPLEMENTED', 'INTO OUTFILE is not allowed')
  await machine.infiles.admit(statement)
  if (ask.readonly === 1) await admitReadonly(machine.embedded, ask, text, analysis)

  answer.format = statement.format?.name ?? ask.format
  if (streamed.has(statement.verb) && analysis.queryClass === 0) {
    return stream(machine, ask, query, session, answer, signal)
  }
  const started = performance.now()
  if (readingVerbs.has(statement.verb) && analysis.queryClass === 0) {
    const { bytes, rowsRead, bytesRead } = await session.read(text, ask.format)
    if (bytes.length > 0) await answer.write(Buffer.from(bytes))
    return answer.end({ ...nothing, read_rows: rowsRead, read_bytes: bytesRead, elapsed_ns: since(started) })
  }
  const { rowsWritten, bytesWritten } = await write(machine, query, session)
  await answer.end({ ...nothing, written_rows: rowsWritten, written_bytes: bytesWritten, elapsed_ns: since(started) })
}

const nothing: Omit<Summary, 'elapsed_ns'> = { read_rows: 0, read_bytes: 0, written_rows: 0, written_bytes: 0 }
const since = (started: number): number => Math.round((performance.now() - started) * 1e6)

const write = ({ infiles }: Machine, query: Query, session: Session): Promise<WriteCounts> => {
  const { statement, text, data } = query
  if (statement.verb === 'INSERT' && statement.input) {
    throw refuse('NOT_IMPLEMENTED', 'the embedded engine does not read a body through input()')
  }
  if (!data) {
    if (statement.dataAt !== undefined) return Promise.resolve({ elapsed: 0, rowsWritten: 0, bytesWritten: 0 })
    return session.write(text, Buffer.alloc(0))
  }
  if ('memory' in data) {
    if (data.memory.length === 0) return Promise.resolve({ elapsed: 0, rowsWritten: 0, bytesWritten: 0 })
    return session.write(text, data.memory)
  }
  return session.write(infiles.rewrite(text, statement, data.file), Buffer.alloc(0))
}

/** Every output through a pipe: the engine believes it writes a file. */
const stream = async (
  { embedded, pipes }: Machine,
  ask: Ask,
  { text, statement }: Query,
  session: Session,
  answer: Answer,
  signal: AbortSignal,
): Promise<void> => {
  const pipe = pipes.open()
  const leave = (): void => pipe.abandon()
  signal.addEventListener('abort', leave, { once: true })
  try {
    const { format } = statement
    const clause = ` INTO OUTFILE ${literal(pipe.name)} APPEND`
    const sql = format
      ? `${text.slice(0, format.start)}${clause} ${text.slice(format.start)}`
      : `${text}${clause} FORMAT ${ask.format}`
    const started = performance.now()
    let failure: Exception | undefined
    const done = session
      .read(sql, 'Null')
      .catch((error: unknown) => {
        failure = hidden(readException(error), clause, format ? '' : ` FORMAT ${ask.format}`)
      })
      .finally(() => pipe.finish())
    for await (const chunk of pipe.reader as AsyncIterable<Buffer>) await answer.write(chunk)
    const counts = await done
    if (failure) throw failure
    signal.throwIfAborted()
    await answer.end({
      ...nothing,
      read_rows: counts?.rowsRead ?? 0,
      read_bytes: counts?.bytesRead ?? 0,
      elapsed_ns: since(started),
    })
  } finally {
    pipe.abandon()
    await embedded.kill(session)
    signal.removeEventListener('abort', leave)
    await pipe.giveBack()
  }
}

/** The clause we added is nobody's business: a syntax error quotes the rest of the query. */
const hidden = (exception: Exception, ...added: readonly string[]): Exception => {
  exception.message = added.reduce(
    (text, piece) => (piece === '' ? text : text.replaceAll(piece, '')),
    exception.message,
  )
  return exception
}
