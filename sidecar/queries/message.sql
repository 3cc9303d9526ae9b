-- Everything that happened to one message, oldest first. `{{key}}` is a column that identifies it.
SELECT {{columns}}
FROM outcomes
WHERE {{key}} = {id:String}
ORDER BY outcomes.at, attempt, recipient
LIMIT 1000
