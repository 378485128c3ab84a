-- Returns the hash of an account's password, or no row.
SELECT hash
FROM passwords
WHERE account = :name
