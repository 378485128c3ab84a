-- How often each table was begun in a run.
ALTER TABLE steps ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
