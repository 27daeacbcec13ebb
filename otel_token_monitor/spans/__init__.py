"""From OpenTelemetry's spans to observations of calls, whatever the sampler does."""
