-- Sets the hash of an account's password; returns nothing.
INSERT INTO passwords (account, hash)
VALUES (:name, :hash)
ON CONFLICT (account) DO UPDATE SET hash = excluded.hash
