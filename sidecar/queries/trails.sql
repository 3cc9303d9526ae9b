-- The latest outcomes of each source at each provider, newest first, as (-time in ms, turned away): whether it is on a
-- block list now is decided by their order.
SELECT
    source,
    provider,
    groupArraySorted({{length}})((-toUnixTimestamp64Milli(at), blocked)) AS steps
FROM
(
    SELECT
        source,
        provider,
        at,
        toUInt8(
            kind != 'delivered'
            AND (blame IN {blames:Array(String)} OR (blame = 'unknown' AND class IN {doubtful:Array(String)}))
            AND (class IN {block:Array(String)} OR kind = 'bounced')
        ) AS blocked
    FROM outcomes
    WHERE at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
      AND kind IN {kinds:Array(String)}
      AND source != ''
      AND provider != ''
      AND (kind = 'delivered' OR blocked)
)
GROUP BY source, provider
LIMIT 200000
