"""Real servers on loopback, each with its own temporary folder, ended with their starter."""
