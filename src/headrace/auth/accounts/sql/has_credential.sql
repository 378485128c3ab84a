-- Whether an account that is not disabled has a password, or a key that holds at :now.
SELECT EXISTS (
    SELECT 1
    FROM accounts
    WHERE NOT disabled AND (
        name IN (SELECT account FROM passwords)
        OR name IN (
            SELECT account
            FROM keys
            WHERE revoked_at = 0 AND (expires_at = 0 OR expires_at > :now)
        )
    )
)
