-- Changes, newest first; an empty parameter filters nothing.
SELECT id, toUnixTimestamp64Milli(audit.at) AS at, action, state, author, reason, token, pool, provider, source,
    details, error, routing_version, request_id, host
FROM audit FINAL
WHERE audit.at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({author:String} = '' OR author = {author:String})
ORDER BY audit.at DESC, id
LIMIT {limit:UInt32}
