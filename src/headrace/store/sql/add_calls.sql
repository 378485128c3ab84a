-- Adds calls of a path to those of the same day; returns nothing.
INSERT INTO access_counts (environment, path, day, calls, last_at)
VALUES (:environment, :path, :day, :calls, :at)
ON CONFLICT (environment, path, day) DO UPDATE
SET calls = calls + excluded.calls, last_at = max(last_at, excluded.last_at)
