-- Notes when a key was used last; returns nothing.
UPDATE keys
SET last_used_at = max(last_used_at, :at)
WHERE id = :id
