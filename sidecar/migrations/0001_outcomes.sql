-- What happened to one recipient in one attempt, or later: one row per outcome record (core/outcome/record.ts).
-- `segment` is the spool segment a row came in, taken from the deduplication token of its insert.
CREATE TABLE IF NOT EXISTS {{database}}.outcomes {{on_cluster}}
(
    id UUID,
    at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    kind LowCardinality(String),
    message_id String CODEC(ZSTD(1)),
    queue_id String CODEC(ZSTD(1)),
    header_message_id String CODEC(ZSTD(1)),
    attempt_id String CODEC(ZSTD(1)),
    attempt UInt32 CODEC(T64, ZSTD(1)),
    tenant LowCardinality(String),
    stream LowCardinality(String),
    campaign LowCardinality(String),
    pool LowCardinality(String),
    source LowCardinality(String),
    source_ip LowCardinality(String),
    propensity Float32 CODEC(ZSTD(1)),
    routing_version UInt64 CODEC(T64, ZSTD(1)),
    recipient String CODEC(ZSTD(1)),
    recipient_domain LowCardinality(String),
    sender_domain LowCardinality(String),
    provider LowCardinality(String),
    site LowCardinality(String),
    mx_host LowCardinality(String),
    remote_ip LowCardinality(String),
    code UInt16 CODEC(T64, ZSTD(1)),
    enhanced LowCardinality(String),
    reply String CODEC(ZSTD(3)),
    phase LowCardinality(String),
    class LowCardinality(String),
    class_rule LowCardinality(String),
    blame LowCardinality(String),
    queued_ms UInt32 CODEC(T64, ZSTD(1)),
    connect_ms UInt32 CODEC(T64, ZSTD(1)),
    total_ms UInt32 CODEC(T64, ZSTD(1)),
    connection_use UInt32 CODEC(T64, ZSTD(1)),
    tls LowCardinality(String),
    size UInt32 CODEC(T64, ZSTD(1)),
    host LowCardinality(String),
    worker LowCardinality(String),
    segment LowCardinality(String) DEFAULT substringIndex(getSetting('insert_deduplication_token'), '#', 1),
    ingested_at DateTime('UTC') DEFAULT now() CODEC(Delta, ZSTD(1)),
    INDEX message_id message_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX recipient recipient TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX segment segment TYPE bloom_filter(0.01) GRANULARITY 4,
    CONSTRAINT has_id CHECK id != toUUID('00000000-0000-0000-0000-000000000000'),
    CONSTRAINT has_time CHECK at >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC'),
    CONSTRAINT has_kind CHECK kind != ''
)
ENGINE = {{replicated}}MergeTree
PARTITION BY toDate(at)
ORDER BY (provider, source, stream, at)
TTL toDateTime(at) + INTERVAL {{outcomes_days}} DAY
SETTINGS ttl_only_drop_parts = 1, {{deduplication}}, {{durability}};
