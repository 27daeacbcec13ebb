"""Tests of sums over many directories."""
