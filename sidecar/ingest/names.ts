// Names in the spool folder that are the ingester's own.

/** Folder, in the spool, of what was set aside: `quarantine/<segment>`. */
export const quarantineFolder = 'quarantine'

/** The accepted lines of a segment that was split, beside it; not a segment's name. */
export const cleanName = (segment: string): string => segment.replace(/\.ndjson$/, '.clean')
