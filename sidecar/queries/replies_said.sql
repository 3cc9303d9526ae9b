-- What receivers answered, alike ones together: words with digits or addresses in them count as the same. An empty list
-- of rules means all replies.
SELECT
    code,
    any(outcomes.enhanced) AS enhanced,
    any(outcomes.reply) AS reply,
    phase,
    provider,
    kind IN ('bounced', 'oob_bounced') AS permanent,
    count() AS count,
    toUnixTimestamp64Milli(min(outcomes.at)) AS first_at,
    toUnixTimestamp64Milli(max(outcomes.at)) AS last_at
FROM outcomes
WHERE outcomes.at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
  AND kind IN ('tried', 'deferred', 'bounced', 'expired', 'oob_bounced')
  AND outcomes.reply != ''
  AND (length({rules:Array(String)}) = 0 OR class = 'other' OR class_rule IN {rules:Array(String)})
GROUP BY
    code,
    phase,
    provider,
    permanent,
    replaceRegexpAll(lowerUTF8(substringUTF8(outcomes.reply, 1, 600)), '[^\\s<>]*[0-9@][^\\s<>]*', '#')
ORDER BY count DESC
LIMIT {limit:UInt32}
