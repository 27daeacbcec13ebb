"""What spans say about a call, whichever instrumentation wrote them: mappings in, facts out."""
