-- Soft failures of these recipients that we saw ourselves or that carried our signature.
SELECT
    recipient,
    class,
    arrayDistinct(groupArray(64)(recorded)) AS spellings,
    groupArray(1000)((toUnixTimestamp64Milli(evidence.at), message_id)) AS failures
FROM evidence
WHERE recipient IN {recipients:Array(String)}
  AND class IN {classes:Array(String)}
  AND kind IN ('bounced', 'oob_bounced', 'expired', 'deferred')
  AND identified_by IN {verified:Array(String)}
GROUP BY recipient, class
