"""One module per command: its Options and run(options, team)."""
