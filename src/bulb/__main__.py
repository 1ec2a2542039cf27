"""`python -m bulb` is the `bulb` command."""

from bulb.cli.main import main

main()
