-- Accounts, groups and keys; every change of them raises the one revision.
CREATE TABLE catalog (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
);

INSERT INTO catalog (one, revision) VALUES (1, 0);

CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'service')),
    roles TEXT NOT NULL,
    groups TEXT NOT NULL,
    claims TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE passwords (
    account TEXT PRIMARY KEY REFERENCES accounts (name) ON DELETE CASCADE,
    hash TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE account_groups (
    name TEXT PRIMARY KEY,
    roles TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    environment TEXT NOT NULL,
    scopes TEXT,
    roles TEXT,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL DEFAULT 0,
    revoked_at INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE INDEX keys_of_account ON keys (account);

-- The token that the first account is made with: one at most.
CREATE TABLE setup_token (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    digest TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);
