-- Notes that a refresh token was used.
UPDATE refresh_tokens SET used = 1 WHERE digest = :digest
