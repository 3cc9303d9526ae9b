// The SQL that is shipped: one statement a file in queries/, with {{places}} for what is not a query parameter
// (identifiers, engines, lists of columns).

import { readAsset } from '../asset'

/** Text of `queries/<name>.sql` without the comment it opens with; `values` fill its {{places}}. */
export const query = (name: string, values?: Readonly<Record<string, string>>): string =>
  fill(readAsset(`queries/${name}.sql`).replace(/^(?:--.*\n)+/, ''), values).trim()

/** @throws Error for a place without a value: a mistake in the file, found by the tests */
export const fill = (sql: string, values: Readonly<Record<string, string>> = {}): string =>
  sql.replace(/\{\{(\w+)\}\}/g, (_, place: string) => {
    const value = values[place]
    if (value === undefined) throw new Error(`no value for {{${place}}}`)
    return value
  })
