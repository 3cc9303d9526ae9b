// Where the summary is drawn: over itself on a terminal, line by line into anything else. At most two pictures a second.

import { styleText } from 'node:util'
import type { WriteStream } from 'node:tty'

import type { Paint } from './screen'

export interface Terminal {
  readonly isScreen: boolean
  readonly width: number
  readonly height: number
  readonly paint: Paint
  /** Replaces what was drawn before. */
  draw(lines: readonly string[]): void
  /** A line that stays, above whatever is drawn next. */
  say(text: string): void
  /** Leaves the last picture where it is; what comes next goes below it. */
  keep(): void
  /** Gives the cursor back. */
  close(): void
}

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const up = (lines: number): string => (lines > 0 ? `\x1b[${lines}A` : '')
const clearRight = '\x1b[K'
const clearBelow = '\r\x1b[0J'

export const openTerminal = (out: WriteStream, wantScreen: boolean): Terminal => {
  const isScreen = wantScreen && out.isTTY
  const colour = isScreen && !process.env['NO_COLOR']
  let drawn = 0

  return {
    isScreen,
    get width() {
      return isScreen ? out.columns : 100
    },
    get height() {
      return isScreen ? out.rows - 1 : 40
    },
    paint: (style, text) => (colour ? styleText(style, text) : text),
    draw(lines) {
      if (!isScreen) return
      out.write(`${hideCursor}${up(drawn)}\r${lines.map((text) => `${text}${clearRight}\n`).join('')}${clearBelow}`)
      drawn = lines.length
    },
    say(text) {
      if (isScreen) out.write(up(drawn) + clearBelow)
      out.write(`${text}\n`)
      drawn = 0
    },
    keep() {
      drawn = 0
    },
    close() {
      if (isScreen) out.write(showCursor)
    },
  }
}
