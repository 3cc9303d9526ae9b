// Queue files that this process has just written or read, so that the first attempt need not read them: the heads until the
// item has been made, the contents until the first attempt, the oldest contents given up when they are too many.

import { TransientMap } from '@sluice/core/transient/transient-map'

/** Bytes of content kept. */
const defaultLimit = 64 * 1024 * 1024

export class FreshFiles {
  private readonly heads = new TransientMap<string, { readonly head: Buffer; readonly size: number }>()
  private readonly contents = new TransientMap<string, Buffer>()
  private bytes = 0

  constructor(private readonly limit = defaultLimit) {}

  add(path: string, head: Buffer, content: Buffer): void {
    this.heads.set(path, { head, size: head.length + content.length })
    this.keepContent(path, content)
  }

  keepContent(path: string, content: Buffer): void {
    this.contents.set(path, content)
    this.bytes += content.length
    for (const [oldest] of this.contents) {
      if (this.bytes <= this.limit) break
      this.takeContent(oldest)
    }
  }

  /** Once. */
  takeHead(path: string): { readonly head: Buffer; readonly size: number } | undefined {
    return this.heads.delete(path)
  }

  /** Once. */
  takeContent(path: string): Buffer | undefined {
    const content = this.contents.delete(path)
    this.bytes -= content?.length ?? 0
    return content
  }
}
