"""Looking at the whole chain, from the application to who is told of its alerts."""
