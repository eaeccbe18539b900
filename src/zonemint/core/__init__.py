"""What every other package may use: errors, names, foreign text, the clock, ids, the trace, ports and whole files."""
