-- Returns the names of all accounts.
SELECT name
FROM accounts
