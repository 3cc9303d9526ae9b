// Ctrl-C: the first one asks, the second one insists. SIGTERM counts as the first.

export interface Interrupt {
  /** Aborted at the first signal. */
  readonly signal: AbortSignal
  /** Resolves at the first signal. */
  readonly asked: Promise<void>
}

/** Takes over SIGINT and SIGTERM for the rest of the process; at the second one it ends at once (exit code 130). */
export const onInterrupt = (say: (text: string) => void): Interrupt => {
  const controller = new AbortController()
  const asked = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()))
  const take = (): void => {
    if (controller.signal.aborted) {
      say('not waiting any longer')
      process.exit(130) // what still runs is killed with us, see child.ts
    }
    controller.abort()
  }
  process.on('SIGINT', take)
  process.on('SIGTERM', take)
  return { signal: controller.signal, asked }
}
