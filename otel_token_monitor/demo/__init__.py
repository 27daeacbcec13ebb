"""A bundled OpenAI-compatible server, for the demo and for tests with the real client."""
