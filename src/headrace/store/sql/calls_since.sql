-- Returns each path of an environment with its calls since a day, that day included.
SELECT path, sum(calls)
FROM access_counts
WHERE environment = :environment AND day >= :day
GROUP BY path
