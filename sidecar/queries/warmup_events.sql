-- What was decided about the warm-ups of a source, newest first; an empty provider filters nothing.
SELECT toString(id) AS id, toUnixTimestamp64Milli(warmup_events.at) AS at, source, provider, plan, kind,
    toString(day) AS day, stage_from, stage_to, allowance_from, allowance_to, reason, author, used, delivered,
    throttled, blocked, complained
FROM warmup_events FINAL
WHERE source = {source:String}
  AND ({provider:String} = '' OR provider = {provider:String})
  AND warmup_events.at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY warmup_events.at DESC, id
LIMIT {limit:UInt32}
