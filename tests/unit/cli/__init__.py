"""Tests of the command line, within this process."""
