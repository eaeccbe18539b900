"""Worker processes: they answer from copies of the zones, and the main process keeps the copies true."""
