// Programs of ours say that they are ready by one line of JSON on stdout: {"ready":true, …}. This reads it.

import { z } from 'zod'

/** What the line says, or undefined where it is another line. @throws ZodError where it lacks something */
export const readyLine =
  <S extends z.ZodType>(schema: S) =>
  (line: string): z.output<S> | undefined => {
    if (!line.startsWith('{') || !line.includes('"ready":true')) return undefined
    return schema.parse(JSON.parse(line))
  }
