// The words of an HTML part, for bounces that have no plain text. Not a parser: tags go, lines stay.

const silent = ['style', 'script', 'title']
const breaks = /<\/?(?:br|p|div|tr|li|h[1-6]|table)\b[^<>]{0,500}>/gi
const tags = /<[a-z!/][^<>]{0,2000}>/gi
const entity = /&(#?[a-z0-9]{1,8});/gi
const entities: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  nbsp: ' ',
  '#39': "'",
  apos: "'",
}

/** Without one element and its content. Linear: every end is looked for after the last one found. */
const without = (html: string, name: string): string => {
  const lower = html.toLowerCase()
  let kept = ''
  let done = 0
  for (let start = lower.indexOf(`<${name}`); start >= 0; start = lower.indexOf(`<${name}`, done)) {
    const end = lower.indexOf(`</${name}>`, start)
    if (end < 0) break
    kept += html.slice(done, start)
    done = end + name.length + 3
  }
  return kept + html.slice(done)
}

export const wordsOfHtml = (html: string): string =>
  silent
    .reduce(without, html)
    .replace(breaks, '\n')
    .replace(tags, ' ')
    .replace(entity, (whole, name: string) => entities[name.toLowerCase()] ?? whole)
