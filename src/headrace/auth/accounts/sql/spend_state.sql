-- Notes that a state of a sign-in was used; changes nothing when it was used before.
INSERT INTO spent_states (digest, expires_at)
VALUES (:digest, :expires_at)
ON CONFLICT (digest) DO NOTHING
