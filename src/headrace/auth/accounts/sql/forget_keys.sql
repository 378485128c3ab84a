-- Removes the keys that were revoked or have expired before a time; returns nothing.
DELETE FROM keys
WHERE (revoked_at > 0 AND revoked_at < :before) OR (expires_at > 0 AND expires_at < :before)
