-- Adds a key; returns nothing.
INSERT INTO keys (id, account, digest, environment, scopes, roles, name, created_at, expires_at)
VALUES (:id, :account, :digest, :environment, :scopes, :roles, :name, :created_at, :expires_at)
