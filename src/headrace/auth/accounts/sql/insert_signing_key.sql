-- Adds a key that signs access tokens from a time on.
INSERT INTO signing_keys (kid, public, sealed, sealed_by, signs_from)
VALUES (:kid, :public, :sealed, :sealed_by, :signs_from)
