"""Tests of bulb.gateway."""
