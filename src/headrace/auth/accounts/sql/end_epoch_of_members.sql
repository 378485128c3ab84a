-- Begins the next epoch of every member of a group; returns nothing.
UPDATE accounts
SET epoch = :epoch
WHERE EXISTS (SELECT 1 FROM json_each(accounts.groups) WHERE json_each.value = :name)
