-- Sets the roles of a group; returns nothing.
INSERT INTO account_groups (name, roles)
VALUES (:name, :roles)
ON CONFLICT (name) DO UPDATE SET roles = excluded.roles
