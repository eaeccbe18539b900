"""What a client and the CA would do, done without issuing: each step with what it saw and what to do."""
