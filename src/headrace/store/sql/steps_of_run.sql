-- Returns the tables that a run has dealt with, in the order in which they ended.
SELECT run, table_name, outcome, rows, rows_in, quarantined, seconds, message, attempts
FROM steps
WHERE run = :run
ORDER BY position
