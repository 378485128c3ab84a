-- Uses up the token that the first account is made with, if it is this one; returns nothing.
DELETE FROM setup_token
WHERE digest = :digest AND expires_at > :now
