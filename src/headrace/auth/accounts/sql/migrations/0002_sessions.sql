-- Browsers that are signed in or about to be, keys that sign access tokens, and refresh tokens.
CREATE TABLE sessions (
    digest BLOB PRIMARY KEY,
    owner TEXT NOT NULL,
    account TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    issuer TEXT NOT NULL,
    known TEXT NOT NULL,
    begun_at REAL NOT NULL,
    used_at REAL NOT NULL,
    ends_at REAL NOT NULL,
    browser TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_of_owner ON sessions (owner, begun_at);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    public BLOB NOT NULL,
    sealed BLOB NOT NULL,
    sealed_by TEXT NOT NULL,
    signs_from REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE refresh_tokens (
    digest BLOB PRIMARY KEY,
    family TEXT NOT NULL,
    account TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    used INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX refresh_tokens_of_family ON refresh_tokens (family);

CREATE INDEX refresh_tokens_of_account ON refresh_tokens (account);

CREATE TABLE spent_states (
    digest BLOB PRIMARY KEY,
    expires_at REAL NOT NULL
) WITHOUT ROWID;
