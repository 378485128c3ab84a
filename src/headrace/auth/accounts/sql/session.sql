-- Returns the session of a digest.
SELECT digest, owner, account, epoch, issuer, known, begun_at, used_at, ends_at, browser
FROM sessions
WHERE digest = :digest
