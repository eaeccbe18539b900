"""What other programs keep, read for zonemint: nothing here writes."""
