-- Every warm-up as it was after its last event.
SELECT source, provider, argMax(warmup, at) AS warmup
FROM warmup_events
GROUP BY source, provider
LIMIT 20000
