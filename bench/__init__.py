"""
The benchmarks: one command measures the service against what its own database could do at most.

`python -m bench` starts a private PostgreSQL with its default durability and a private Redis, measures the
limits with pgbench and with bare views, measures the service in between, and prints the ratios. Absolute
numbers belong to a machine and a moment; ratios of one run can be compared.
"""
