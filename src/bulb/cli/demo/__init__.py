"""`bulb demo`: the first thing Bulb does for anybody, on a throw-away server."""

from bulb.cli.demo.command import command

__all__ = ["command"]
