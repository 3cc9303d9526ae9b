-- Evidence that came in since, in the order it came: a page after (`second`, `id`).
SELECT
    toUnixTimestamp(evidence.ingested_at) AS second,
    toString(evidence.id) AS id,
    recipient,
    toUnixTimestamp64Milli(evidence.at) AS at,
    kind,
    class,
    identified_by,
    tenant,
    stream,
    message_id
FROM evidence
WHERE toDate(ingested_at) >= toDate(fromUnixTimestamp({second:UInt32}), 'UTC')
  AND (toUnixTimestamp(evidence.ingested_at), toString(evidence.id)) > ({second:UInt32}, {id:String})
ORDER BY second, id
LIMIT {limit:UInt32}
