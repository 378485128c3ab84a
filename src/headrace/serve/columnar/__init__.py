"""The columnar access path: DuckDB over the data files, in processes of its own."""
