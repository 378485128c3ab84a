-- Sets the token that the first account is made with; returns nothing.
INSERT INTO setup_token (one, digest, expires_at)
VALUES (1, :digest, :expires_at)
ON CONFLICT (one) DO UPDATE SET digest = excluded.digest, expires_at = excluded.expires_at
