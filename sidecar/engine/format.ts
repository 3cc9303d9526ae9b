// Output formats as HTTP names them.

/** Content type of an output format; what is unknown is text. */
export const contentType = (format: string): string => {
  if (/^(JSON\w*EachRow\w*|JSONLines|NDJSON)$/.test(format)) return 'application/x-ndjson; charset=UTF-8'
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8'
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8'
  if (/^(TSV|TabSeparated)/.test(format)) return 'text/tab-separated-values; charset=UTF-8'
  if (format === 'XML') return 'application/xml; charset=UTF-8'
  if (/^(Native|RowBinary|Parquet|Arrow|ORC|Avro|BSON|MsgPack|Protobuf|CapnProto|Npy)/.test(format)) {
    return 'application/octet-stream'
  }
  return 'text/plain; charset=UTF-8'
}

/** What ClickHouse answers in where nobody asks for anything. */
export const usualFormat = 'TabSeparated'
