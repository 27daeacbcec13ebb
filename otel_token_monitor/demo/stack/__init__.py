"""A real Prometheus and a real Alertmanager around an application, on this machine."""
