-- What was decided about warm-ups, when and why: by the gate at the end of a day, on a block, after idle weeks, or by
-- an operator (`author`). `warmup` is the whole of it afterwards (JSON): what is lost in Redis is put back from the
-- last event of each, and the days since are closed once more. Read with FINAL. Kept for good.
CREATE TABLE IF NOT EXISTS {{database}}.warmup_events {{on_cluster}}
(
    id UUID,
    at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    provider LowCardinality(String),
    plan LowCardinality(String),
    kind LowCardinality(String),
    day Date,
    stage_from UInt16,
    stage_to UInt16,
    allowance_from UInt64,
    allowance_to UInt64,
    reason String,
    author String,
    used UInt64,
    delivered UInt64,
    throttled UInt64,
    blocked UInt64,
    complained UInt64,
    warmup String CODEC(ZSTD(3)),
    host LowCardinality(String)
)
ENGINE = {{replicated}}ReplacingMergeTree
ORDER BY (source, provider, at, id);
