"""What a team installs beside the exporter: rules, Alertmanager's configuration, dashboards."""
