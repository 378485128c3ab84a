-- Deletes every refresh token of one sign-in.
DELETE FROM refresh_tokens WHERE family = :family
