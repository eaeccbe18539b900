"""What every other package may use: errors, domain names, the clock, ids and the trace; imports nothing of ours."""
