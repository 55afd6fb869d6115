"""Processes of the benchmarks, alone in this folder: plain Lava executes a Process's siblings."""
