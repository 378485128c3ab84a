-- Deletes a session.
DELETE FROM sessions WHERE digest = :digest
