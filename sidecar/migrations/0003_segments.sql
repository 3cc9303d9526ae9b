-- Spool segments that are in `outcomes`, so that a segment found again after a crash is not inserted again.
-- A row can be written twice; read with FINAL.
CREATE TABLE IF NOT EXISTS {{database}}.segments {{on_cluster}}
(
    segment String CODEC(ZSTD(1)),
    lines UInt64 CODEC(T64, ZSTD(1)),
    bytes UInt64 CODEC(T64, ZSTD(1)),
    quarantined UInt64 CODEC(T64, ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(ingested_at)
ORDER BY segment
TTL toDateTime(ingested_at) + INTERVAL {{segments_days}} DAY
SETTINGS {{deduplication}}, {{durability}};
