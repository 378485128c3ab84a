-- Returns the refresh token of a digest.
SELECT family, account, epoch, expires_at, used FROM refresh_tokens WHERE digest = :digest
