"""The `bulb` command: `bulb up` runs a server, everything else is a client of its public API."""
