// Hands one message to an SMTP server, as a user's program would.

import { createTransport } from 'nodemailer'

export interface Submission {
  readonly from?: string
  readonly to: string | readonly string[]
  /** Whole message, header and body. */
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** @returns the server's reply to the end of data; rejects with nodemailer's error on any refusal */
export const submit = async (port: number, submission: Submission): Promise<string> => {
  const to = typeof submission.to === 'string' ? [submission.to] : [...submission.to]
  const from = submission.from ?? 'sender@sender.test'
  const header = Object.entries({ From: from, To: to.join(', '), Subject: 'test', ...submission.headers })
  const raw = submission.message ?? `${header.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\nhello\r\n`
  const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true })
  try {
    const info = await transport.sendMail({ envelope: { from, to }, raw })
    return info.response
  } finally {
    transport.close()
  }
}
