-- Removes an account, its password and its keys; returns nothing.
DELETE FROM accounts
WHERE name = :name
