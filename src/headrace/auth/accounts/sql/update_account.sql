-- Changes what is not NULL of an account, and begins its next epoch; returns nothing.
UPDATE accounts
SET
    roles = coalesce(:roles, roles),
    groups = coalesce(:groups, groups),
    claims = coalesce(:claims, claims),
    disabled = coalesce(:disabled, disabled),
    epoch = :epoch
WHERE name = :name
