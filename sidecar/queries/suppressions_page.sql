-- The list in order of address and scope: a page after (`address`, `scope`); `now` 0 = lapsed and released ones too.
SELECT
    address,
    scope,
    reason,
    evidence,
    toUnixTimestamp64Milli(suppressions.since) AS since,
    toUnixTimestamp64Milli(suppressions.until) AS until,
    author,
    note
FROM suppressions FINAL
WHERE address >= {address:String}
  AND (address, scope) > ({address:String}, {scope:String})
  AND ({now:Int64} = 0 OR (reason != 'released'
       AND (toUnixTimestamp64Milli(suppressions.until) = 0 OR toUnixTimestamp64Milli(suppressions.until) > {now:Int64})))
  AND ({reason:String} = '' OR reason = {reason:String})
ORDER BY address, scope
LIMIT {limit:UInt32}
