"""The forwarding resolver: names that are in none of our zones, asked of others and remembered."""
