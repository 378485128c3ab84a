-- Entries before one, newest first, at most :limit; those of an action ('' is any).
SELECT seq, at, actor, credential, action, target, request, address, detail, prev, hash
FROM entries
WHERE seq < :before AND (:action = '' OR action = :action)
ORDER BY seq DESC
LIMIT :limit
