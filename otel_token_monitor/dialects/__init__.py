"""What spans say about a call, whichever instrumentation wrote them. Pure: mappings in, facts out."""
