-- Returns the names of the accounts of people.
SELECT name
FROM accounts
WHERE kind = 'user'
