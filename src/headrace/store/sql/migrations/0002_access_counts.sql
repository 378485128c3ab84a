-- How often each path of an environment was asked and answered, by day (UTC).
CREATE TABLE access_counts (
    environment TEXT NOT NULL,
    path TEXT NOT NULL,
    day TEXT NOT NULL,
    calls INTEGER NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (environment, path, day)
) WITHOUT ROWID;
