"""The tests: real parts on loopback, and fakes written once where a real part would only be slow."""
