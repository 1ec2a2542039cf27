"""Tests, a package per room."""
