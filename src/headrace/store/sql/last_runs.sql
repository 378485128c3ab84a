-- Returns the last runs of an environment, newest first.
SELECT run, environment, started_at, finished_at, outcome, snapshot, message
FROM runs
WHERE environment = :environment
ORDER BY started_at DESC, rowid DESC
LIMIT :limit
