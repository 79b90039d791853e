"""Data sets of unlike kinds, on which default options are measured: see `pipelines.benchmarks.strangers.__main__`."""
