-- Deletes a key.
DELETE FROM signing_keys WHERE kid = :kid
