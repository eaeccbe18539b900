"""The guard: who is answered, how often, and what the server says of itself."""
