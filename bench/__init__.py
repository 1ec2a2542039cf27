"""Benchmarks: how fast Bulb is, measured from outside by a client over loopback.

`make bench` prints the table of docs/performance.md. Absolute figures drift on shared machines: compare within one run.
"""
