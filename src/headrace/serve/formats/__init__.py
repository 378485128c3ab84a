"""How rows are written: JSON, NDJSON, CSV, Arrow, Parquet, Excel, and their compression."""
