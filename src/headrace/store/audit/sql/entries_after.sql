-- Entries after one, oldest first, at most :limit; those of an action ('' is any) and of a time.
SELECT seq, at, actor, credential, action, target, request, address, detail, prev, hash
FROM entries
WHERE seq > :after AND (:action = '' OR action = :action) AND at >= :since AND at < :until
ORDER BY seq
LIMIT :limit
