-- Parses lines as insert_outcomes.sql would and keeps nothing of them.
INSERT INTO FUNCTION null({{structure}}) FORMAT JSONEachRow
