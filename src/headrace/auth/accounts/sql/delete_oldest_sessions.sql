-- Deletes all sessions of an owner but the newest.
DELETE FROM sessions
WHERE digest IN (
    SELECT digest FROM sessions
    WHERE owner = :owner
    ORDER BY begun_at DESC
    LIMIT -1 OFFSET :keep
)
