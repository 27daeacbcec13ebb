"""What the command line shows: tables that fit the terminal, however wide that is."""
