"""Tests of the stack: Prometheus and Alertmanager around the demo."""
