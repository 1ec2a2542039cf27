"""What happened: log lines, derived from the facts of the invoke path and from what functions print."""
