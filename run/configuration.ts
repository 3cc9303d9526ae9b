// The configuration folder of a running stack: files of one or more folders laid over each other (the last one wins,
// file by file), with the few values changed that belong to this run (ports). Comments survive. While it is followed,
// a file changed in a layer is written again, so that people edit haraka-config/ and not the copy.

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { watch } from 'node:fs'
import path from 'node:path'
import { parseDocument } from 'yaml'

/** A change to one file on its way into the copy; an absent file is given as ''. */
export interface Edit {
  readonly file: string
  readonly change: (text: string) => string
}

/** Sets `key=value` in the first section of an ini file. */
export const iniEdit = (file: string, key: string, value: string | number): Edit => ({
  file,
  change: (text) => {
    const line = `${key}=${value}`
    const present = new RegExp(`^${key}\\s*=.*$`, 'm')
    return present.test(text) ? text.replace(present, line) : `${line}\n${text}`
  },
})

/** Sets one value of a YAML file, mappings on the way included. */
export const yamlEdit = (file: string, keys: readonly string[], value: unknown): Edit => ({
  file,
  change: (text) => {
    const document = parseDocument(text)
    document.setIn(keys, value)
    return document.toString()
  },
})

export class ConfigurationCopy {
  private constructor(
    /** Folder of the copy. */
    readonly folder: string,
    private readonly layers: readonly string[],
    private readonly edits: readonly Edit[],
  ) {}

  /** Writes the copy anew; files that no layer has are removed from it. */
  static async write(folder: string, layers: readonly string[], edits: readonly Edit[]): Promise<ConfigurationCopy> {
    const copy = new ConfigurationCopy(folder, layers, edits)
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await copy.refresh()
    return copy
  }

  /** Writes what differs from the layers; answers the names of the files written. */
  async refresh(): Promise<string[]> {
    const written: string[] = []
    for (const name of await this.names()) {
      const text = await this.textOf(name)
      const target = path.join(this.folder, name)
      if ((await readOrNothing(target)) === text) continue
      await mkdir(path.dirname(target), { recursive: true })
      await writeFile(target, text)
      written.push(name)
    }
    return written
  }

  /** Keeps the copy like its layers until the answered function is called. */
  follow(tell: (text: string) => void): () => void {
    let settling: NodeJS.Timeout | undefined
    const changed = (): void => {
      clearTimeout(settling)
      settling = setTimeout(() => {
        this.refresh().then(
          (names) => names.length > 0 && tell(`configuration changed: ${names.join(', ')}`),
          (error: unknown) => tell(`configuration cannot be copied: ${String(error)}`),
        )
      }, 100)
    }
    const watchers = this.layers.map((layer) => watch(layer, { persistent: false }, changed))
    return () => {
      clearTimeout(settling)
      watchers.forEach((watcher) => watcher.close())
    }
  }

  private async names(): Promise<Set<string>> {
    const names = new Set(this.edits.map(({ file }) => file))
    for (const layer of this.layers) {
      for (const entry of await readdir(layer, { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) names.add(path.relative(layer, path.join(entry.parentPath, entry.name)))
      }
    }
    return names
  }

  private async textOf(name: string): Promise<string> {
    let text = ''
    for (const layer of this.layers) text = (await readOrNothing(path.join(layer, name))) ?? text
    return this.edits.filter(({ file }) => file === name).reduce((changed, { change }) => change(changed), text)
  }
}

const readOrNothing = async (file: string): Promise<string | undefined> => {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
