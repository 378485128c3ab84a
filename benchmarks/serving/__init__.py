"""The serving figures of docs/benchmarks.md, and the program behind them: `make bench-serve`."""
