-- Segments with rows in `outcomes`, and when those rows came.
SELECT segment, count() AS rows, toString(min(ingested_at)) AS landed_at
FROM outcomes
WHERE segment IN {segments:Array(String)}
GROUP BY segment
