"""Tests of what is seen below OpenAI's client."""
