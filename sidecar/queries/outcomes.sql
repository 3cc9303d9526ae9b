-- Recent outcomes, newest first; an empty parameter filters nothing.
SELECT {{columns}}
FROM outcomes
WHERE outcomes.at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
  AND ({kind:String} = '' OR kind = {kind:String})
  AND ({provider:String} = '' OR provider = {provider:String})
  AND ({source:String} = '' OR source = {source:String})
  AND ({stream:String} = '' OR stream = {stream:String})
  AND ({class:String} = '' OR class = {class:String})
  AND ({recipient:String} = '' OR recipient = {recipient:String})
  AND ({recipient_domain:String} = '' OR recipient_domain = {recipient_domain:String})
  AND ({message_id:String} = '' OR message_id = {message_id:String})
ORDER BY outcomes.at DESC
LIMIT {limit:UInt32}
