"""What a look found, and how the checks' findings become one answer."""
