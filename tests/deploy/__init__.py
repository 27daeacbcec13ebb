"""Tests with the real Prometheus, Alertmanager and their tools."""
