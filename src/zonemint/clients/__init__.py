"""What each ACME client wants to be told: one module for each client, and `kinds` for the list of them."""
