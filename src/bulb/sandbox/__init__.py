"""Isolation: the only room that makes privileged system calls."""
