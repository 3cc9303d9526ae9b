-- When these recipients, as spelled, last got something.
SELECT recipient, toUnixTimestamp64Milli(max(outcomes.at)) AS at
FROM outcomes
WHERE recipient IN {recipients:Array(String)}
  AND kind = 'delivered'
  AND outcomes.at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
GROUP BY recipient
