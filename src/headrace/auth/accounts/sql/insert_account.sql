-- Adds an account; returns nothing.
INSERT INTO accounts (name, kind, roles, groups, claims, epoch, created_at)
VALUES (:name, :kind, :roles, :groups, :claims, :epoch, :created_at)
