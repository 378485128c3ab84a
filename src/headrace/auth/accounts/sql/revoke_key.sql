-- Revokes a key that is not revoked; returns nothing.
UPDATE keys
SET revoked_at = :at
WHERE id = :id AND revoked_at = 0
