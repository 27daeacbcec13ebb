"""Tests of exports and imports of single calls."""
