-- Raises the revision; returns the new one.
UPDATE catalog
SET revision = revision + 1
RETURNING revision
