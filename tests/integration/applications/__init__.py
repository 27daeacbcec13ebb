"""Real applications, each run as a process of its own: what they patch is patched process-wide."""
