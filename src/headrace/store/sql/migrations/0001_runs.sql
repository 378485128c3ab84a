-- Runs, the tables that they built, and the checks that they made.
CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    snapshot INTEGER,
    message TEXT NOT NULL
);

CREATE INDEX runs_of_environment ON runs (environment, started_at);

CREATE TABLE steps (
    position INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (run),
    table_name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    rows INTEGER NOT NULL,
    rows_in INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    seconds REAL NOT NULL,
    message TEXT NOT NULL
);

CREATE INDEX steps_of_run ON steps (run);

CREATE TABLE checks (
    position INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (run),
    name TEXT NOT NULL,
    table_name TEXT NOT NULL,
    severity TEXT NOT NULL,
    failing INTEGER NOT NULL,
    message TEXT NOT NULL,
    sample TEXT NOT NULL
);

CREATE INDEX checks_of_run ON checks (run);
