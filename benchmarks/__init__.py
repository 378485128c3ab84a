"""The figures of docs/benchmarks.md, and the program that measures them: `make bench`."""
