-- Takes all roles from a group; returns nothing.
DELETE FROM account_groups
WHERE name = :name
