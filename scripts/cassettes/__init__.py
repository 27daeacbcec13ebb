"""Recorded traffic: cassettes as vcrpy writes them, read, replayed, recorded."""
