"""Tests of bulb.http."""
