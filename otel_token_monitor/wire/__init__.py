"""Capture: the usage that reaches OpenAI's client, whatever way it is called."""
