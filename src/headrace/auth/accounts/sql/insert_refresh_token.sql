-- Adds a refresh token.
INSERT INTO refresh_tokens (digest, family, account, epoch, expires_at, used)
VALUES (:digest, :family, :account, :epoch, :expires_at, 0)
