-- Returns every session.
SELECT digest, owner, account, epoch, issuer, known, begun_at, used_at, ends_at, browser
FROM sessions
