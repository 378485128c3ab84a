-- Returns a number that changes when another connection has changed the file.
PRAGMA data_version
