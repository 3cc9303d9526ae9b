-- Routing documents by version.
SELECT version, document
FROM routing_documents FINAL
WHERE version IN {versions:Array(UInt64)}
