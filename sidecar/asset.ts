// Files that are read at run time as they are (SQL, Lua): they lie beside the sources, one statement or operation
// each, and are found from the compiled code too.

import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The package's folder, from the sources as from dist/. */
export const packageFolder = ((): string => {
  const parent = path.dirname(__dirname)
  return path.basename(__dirname) === 'dist' && existsSync(path.join(parent, 'package.json')) ? parent : __dirname
})()

/** @param file relative to the package, e.g. `score/tally.sql` */
export const readAsset = (file: string): string => readFileSync(path.join(packageFolder, file), 'utf8')
