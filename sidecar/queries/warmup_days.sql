-- What came of the mail of sources that are warmed up, by lane and day: from the hourly counts, which are kept for
-- years. The same refusals count as for the score (tallies.sql).
SELECT
    source,
    provider,
    intDiv(toUnixTimestamp(hour), 86400) AS day,
    sumIf(outcomes, kind = 'delivered') AS delivered,
    sumIf(outcomes, blamed AND NOT blocks) AS throttled,
    sumIf(outcomes, blamed AND blocks) AS blocked,
    sumIf(outcomes, kind = 'complained') AS complained,
    sumIf(outcomes, kind IN {kinds:Array(String)}) AS attempts,
    toUnixTimestamp(maxIf(hour, blamed AND blocks)) AS last_blocked
FROM
(
    SELECT
        source,
        provider,
        hour,
        kind,
        outcomes,
        kind IN {kinds:Array(String)} AND kind != 'delivered'
            AND (blame IN {blames:Array(String)} OR (blame = 'unknown' AND class IN {doubtful:Array(String)})) AS blamed,
        class IN {block:Array(String)} OR kind = 'bounced' AS blocks
    FROM outcomes_1h
    WHERE hour >= toDateTime({since:UInt32}, 'UTC')
      AND source IN {sources:Array(String)}
      AND provider != ''
)
GROUP BY source, provider, day
ORDER BY source, provider, day
LIMIT 2000000
