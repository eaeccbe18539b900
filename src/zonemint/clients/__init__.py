"""What each ACME client wants to be told."""
