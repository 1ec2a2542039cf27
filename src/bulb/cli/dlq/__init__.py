"""`bulb dlq`: the queues that hold what could not be delivered or processed: which, what is in them, and back again."""

from bulb.cli.dlq.command import command

__all__ = ["command"]
