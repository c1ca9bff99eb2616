`python -m benchmarks` measures it beside six other superservers.
