"""Files, snapshot objects, refs, publish, leases, garbage collection, the operations record."""
