-- Which of these outcomes are there already.
SELECT DISTINCT toString(evidence.id) AS id
FROM evidence
WHERE recipient IN {recipients:Array(String)}
  AND toString(evidence.id) IN {ids:Array(String)}
