-- Returns the checks that a run has made, in the order in which they ended.
SELECT run, name, table_name, severity, failing, message, sample
FROM checks
WHERE run = :run
ORDER BY position
