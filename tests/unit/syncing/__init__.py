"""Tests of bringing projects together."""
