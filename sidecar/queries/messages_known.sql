-- What outcomes say of messages, by recipient. `{{key}}` is the column they are asked by.
SELECT
    outcomes.message_id AS message_id,
    outcomes.header_message_id AS header_message_id,
    outcomes.recipient AS recipient,
    any(outcomes.recipient_domain) AS recipient_domain,
    any(outcomes.sender_domain) AS sender_domain,
    any(outcomes.tenant) AS tenant,
    any(outcomes.stream) AS stream,
    any(outcomes.campaign) AS campaign,
    argMax(outcomes.queue_id, at) AS queue_id,
    argMaxIf(outcomes.pool, at, outcomes.pool != '') AS pool,
    argMaxIf(outcomes.source, at, outcomes.source != '') AS source,
    argMaxIf(outcomes.source_ip, at, outcomes.source_ip != '') AS source_ip,
    argMaxIf(outcomes.provider, at, outcomes.provider != '') AS provider,
    argMaxIf(outcomes.site, at, outcomes.site != '') AS site
FROM outcomes
WHERE outcomes.{{key}} IN {ids:Array(String)}
  AND outcomes.at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
  AND outcomes.kind IN ('accepted', 'delivered', 'deferred', 'bounced', 'expired')
GROUP BY message_id, header_message_id, recipient
LIMIT 200000
