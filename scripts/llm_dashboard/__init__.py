"""The Grafana dashboard, as code; ../generate_dashboard.py writes it."""
