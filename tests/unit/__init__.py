"""Tests that need no other process; they mirror the package."""
