-- Replaces the hash of an account's password by another of the same password, unless it has changed.
UPDATE passwords
SET hash = :renewed
WHERE account = :name AND hash = :stored
