-- Providers that are known to report complaints: some have come in.
SELECT DISTINCT provider
FROM outcomes_1h
WHERE hour >= toDateTime({since:UInt32}, 'UTC') AND kind = 'complained' AND provider != ''
LIMIT 100000
