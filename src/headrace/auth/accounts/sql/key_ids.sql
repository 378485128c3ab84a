-- Returns the ids of all keys.
SELECT id
FROM keys
