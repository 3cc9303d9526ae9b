-- DMARC aggregate reports (RFC 7489): one row per record. A report that is sent again replaces itself; read with FINAL.
-- Anybody can send such a report: the rows say what was told.
CREATE TABLE IF NOT EXISTS {{database}}.dmarc_reports {{on_cluster}}
(
    received_at DateTime64(3, 'UTC'),
    org_name LowCardinality(String),
    org_email String,
    report_id String,
    begin DateTime('UTC'),
    end DateTime('UTC'),
    domain LowCardinality(String),
    policy LowCardinality(String),
    subdomain_policy LowCardinality(String),
    percent Float32,
    record UInt32,
    source_ip LowCardinality(String),
    count UInt64,
    disposition LowCardinality(String),
    dkim LowCardinality(String),
    spf LowCardinality(String),
    pass Bool,
    override LowCardinality(String),
    header_from LowCardinality(String),
    envelope_from LowCardinality(String),
    envelope_to LowCardinality(String),
    dkim_domains Array(String),
    spf_domains Array(String)
)
ENGINE = {{replicated}}ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(begin)
ORDER BY (domain, begin, org_name, report_id, record)
TTL begin + INTERVAL {{rollup_days}} DAY
SETTINGS ttl_only_drop_parts = 1;

-- SMTP TLS reports (RFC 8460): one row per policy and kind of failure.
CREATE TABLE IF NOT EXISTS {{database}}.tls_reports {{on_cluster}}
(
    received_at DateTime64(3, 'UTC'),
    org_name LowCardinality(String),
    contact String,
    report_id String,
    begin DateTime('UTC'),
    end DateTime('UTC'),
    domain LowCardinality(String),
    record UInt32,
    policy_type LowCardinality(String),
    mx_hosts Array(String),
    successful UInt64,
    failed UInt64,
    result_type LowCardinality(String),
    sending_ip LowCardinality(String),
    receiving_mx LowCardinality(String),
    receiving_ip LowCardinality(String),
    failure_sessions UInt64,
    failure_reason LowCardinality(String)
)
ENGINE = {{replicated}}ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(begin)
ORDER BY (domain, begin, org_name, report_id, record)
TTL begin + INTERVAL {{rollup_days}} DAY
SETTINGS ttl_only_drop_parts = 1;
