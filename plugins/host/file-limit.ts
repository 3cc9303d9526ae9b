// Too many open files is a reason to wait, never a failure of a mail: descriptors come back when connections close.

import { setTimeout as pause } from 'node:timers/promises'

const codes = new Set(['EMFILE', 'ENFILE'])
const retryMs = 200

export const isFileLimit = (thrown: unknown): boolean => codes.has((thrown as NodeJS.ErrnoException).code ?? '')

/** Runs `open` until it has got its descriptor. @throws what `open` throws for any other reason */
export const patiently = async <T>(open: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await open()
    } catch (thrown) {
      if (!isFileLimit(thrown)) throw thrown
      await pause(retryMs)
    }
  }
}
