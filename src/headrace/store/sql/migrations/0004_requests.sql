-- How many requests each credential has made in a day (UTC), for daily limits.
CREATE TABLE requests (
    day TEXT NOT NULL,
    credential TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (day, credential)
) WITHOUT ROWID;
