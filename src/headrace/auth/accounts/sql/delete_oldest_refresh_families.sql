-- Deletes the refresh tokens of all sign-ins of an account but the newest.
DELETE FROM refresh_tokens
WHERE account = :account AND family NOT IN (
    SELECT family FROM refresh_tokens
    WHERE account = :account
    GROUP BY family
    ORDER BY max(expires_at) DESC
    LIMIT :keep
)
