-- Entries whose time ran out in between.
SELECT address, scope
FROM suppressions FINAL
WHERE toUnixTimestamp64Milli(suppressions.until) > {after:Int64}
  AND toUnixTimestamp64Milli(suppressions.until) <= {upto:Int64}
LIMIT 1000000
