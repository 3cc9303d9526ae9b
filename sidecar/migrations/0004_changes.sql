-- Who changed what, when and why. A change is written when it is asked for (revision 1) and again when it is known
-- what became of it (revision 2); the higher revision stays. Read with FINAL. Kept for good.
CREATE TABLE IF NOT EXISTS {{database}}.audit {{on_cluster}}
(
    id UUID,
    at DateTime64(3, 'UTC'),
    revision UInt8,
    action LowCardinality(String),
    state LowCardinality(String),
    author String,
    reason String,
    token LowCardinality(String),
    pool LowCardinality(String),
    provider LowCardinality(String),
    source LowCardinality(String),
    details String CODEC(ZSTD(3)),
    error String,
    routing_version UInt64,
    request_id String,
    host LowCardinality(String)
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (at, id);

-- Every routing document that was published, so that an outcome's routing_version can be explained.
CREATE TABLE IF NOT EXISTS {{database}}.routing_documents {{on_cluster}}
(
    version UInt64,
    at DateTime64(3, 'UTC'),
    by LowCardinality(String),
    reason String,
    document String CODEC(ZSTD(3))
)
ENGINE = {{replicated}}ReplacingMergeTree(at)
ORDER BY version
TTL toDateTime(at) + INTERVAL {{outcomes_days}} DAY;
