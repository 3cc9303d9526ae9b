-- Outcomes by hour: what the scorer and the dashboards read. States are merged when read, never finalised here.
CREATE TABLE IF NOT EXISTS {{database}}.outcomes_1h {{on_cluster}}
(
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    provider LowCardinality(String),
    source LowCardinality(String),
    pool LowCardinality(String),
    stream LowCardinality(String),
    tenant LowCardinality(String),
    kind LowCardinality(String),
    class LowCardinality(String),
    blame LowCardinality(String),
    outcomes SimpleAggregateFunction(sum, UInt64),
    total_ms_sum SimpleAggregateFunction(sum, UInt64),
    total_ms_quantiles AggregateFunction(quantilesTDigest(0.5, 0.9, 0.99), UInt32)
)
ENGINE = {{replicated}}AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (provider, source, pool, stream, tenant, kind, class, blame, hour)
TTL hour + INTERVAL {{rollup_days}} DAY
SETTINGS ttl_only_drop_parts = 1, {{deduplication}}, {{durability}};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.outcomes_1h_mv {{on_cluster}} TO {{database}}.outcomes_1h AS
SELECT
    toStartOfHour(at) AS hour,
    provider,
    source,
    pool,
    stream,
    tenant,
    kind,
    class,
    blame,
    count() AS outcomes,
    sum(total_ms) AS total_ms_sum,
    quantilesTDigestState(0.5, 0.9, 0.99)(total_ms) AS total_ms_quantiles
FROM {{database}}.outcomes
GROUP BY hour, provider, source, pool, stream, tenant, kind, class, blame;
