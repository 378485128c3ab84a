-- Returns the revision: one row, one number.
SELECT revision
FROM catalog
