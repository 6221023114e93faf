"""What linkage costs: benchmarks that print figures and say which machine they ran on.

`python -m benchmarks.codec` measures the protocol in one process. The budgets are those of the
architecture document (docs/architecture.md); a figure without its machine means nothing.
"""
