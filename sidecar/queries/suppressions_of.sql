-- Who listed an address and why, for these scopes.
SELECT scope, author, note
FROM suppressions FINAL
WHERE address = {address:String}
