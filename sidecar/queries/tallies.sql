-- How often each source was let in, slowed down or turned away, by provider and stream, an outcome counting half after
-- the half-life. Reads the rows of the window only (partitions by day, about 33 ns a row and core).
SELECT
    source,
    provider,
    stream,
    sumIf(weight, kind = 'delivered') AS delivered,
    sumIf(weight, blamed AND NOT blocks) AS throttled,
    sumIf(weight, blamed AND blocks) AS blocked,
    countIf(kind = 'delivered') AS delivered_count,
    countIf(blamed AND NOT blocks) AS throttled_count,
    countIf(blamed AND blocks) AS blocked_count,
    toUnixTimestamp64Milli(maxIf(at, blamed)) AS last_refused_at,
    argMaxIf(class_rule, at, blamed) AS last_rule
FROM
(
    SELECT
        source,
        provider,
        stream,
        kind,
        at,
        class_rule,
        exp2(-greatest(0, {now:Int64} - toUnixTimestamp64Milli(at)) / {half_life_ms:Float64}) AS weight,
        kind != 'delivered' AND (blame IN {blames:Array(String)} OR (blame = 'unknown' AND class IN {doubtful:Array(String)})) AS blamed,
        class IN {block:Array(String)} OR kind = 'bounced' AS blocks
    FROM outcomes
    WHERE at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
      AND kind IN {kinds:Array(String)}
      AND source != ''
      AND provider != ''
)
GROUP BY source, provider, stream
HAVING delivered_count + throttled_count + blocked_count > 0
ORDER BY delivered_count + throttled_count + blocked_count DESC
LIMIT 200000
