-- How a report was led back to a message.
ALTER TABLE {{database}}.outcomes {{on_cluster}}
    ADD COLUMN IF NOT EXISTS identified_by LowCardinality(String) AFTER blame;

-- Reports that carry no signature name the message by its Message-ID at best.
ALTER TABLE {{database}}.outcomes {{on_cluster}}
    ADD INDEX IF NOT EXISTS header_message_id header_message_id TYPE bloom_filter(0.01) GRANULARITY 4;

-- What may suppress a recipient, found by recipient (its history) and by the day it came in (what is new).
-- `recipient` in lower case, `recorded` as the outcome has it.
CREATE TABLE IF NOT EXISTS {{database}}.evidence {{on_cluster}}
(
    ingested_at DateTime('UTC') CODEC(Delta, ZSTD(1)),
    recipient String CODEC(ZSTD(1)),
    recorded String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    id UUID,
    kind LowCardinality(String),
    class LowCardinality(String),
    identified_by LowCardinality(String),
    tenant LowCardinality(String),
    stream LowCardinality(String),
    message_id String CODEC(ZSTD(1))
)
ENGINE = {{replicated}}MergeTree
PARTITION BY toDate(ingested_at)
ORDER BY (recipient, at)
TTL ingested_at + INTERVAL {{outcomes_days}} DAY
SETTINGS ttl_only_drop_parts = 1, {{deduplication}};

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.evidence_mv {{on_cluster}} TO {{database}}.evidence AS
SELECT
    ingested_at,
    lowerUTF8(outcomes.recipient) AS recipient,
    outcomes.recipient AS recorded,
    at,
    id,
    kind,
    class,
    identified_by,
    tenant,
    stream,
    message_id
FROM {{database}}.outcomes
WHERE outcomes.recipient != ''
  AND (kind IN ('bounced', 'expired', 'oob_bounced', 'complained', 'unsubscribed')
       OR (kind = 'deferred' AND blame = 'recipient'));

-- The suppression list, whole: Redis holds what is asked for every recipient, and is filled again from here when it has
-- lost it. The newest row of an address and scope counts; read with FINAL. `until` 1970 = for good.
CREATE TABLE IF NOT EXISTS {{database}}.suppressions {{on_cluster}}
(
    address String CODEC(ZSTD(1)),
    scope LowCardinality(String),
    reason LowCardinality(String),
    evidence String CODEC(ZSTD(1)),
    since DateTime64(3, 'UTC'),
    until DateTime64(3, 'UTC'),
    author LowCardinality(String),
    note String CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC')
)
ENGINE = {{replicated}}ReplacingMergeTree(changed_at)
ORDER BY (address, scope);
