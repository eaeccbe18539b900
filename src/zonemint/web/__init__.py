"""HTTP: the route table, and one module for each family of URLs."""
