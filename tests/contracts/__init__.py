"""One suite for each port: whatever stands behind the port, real or fake, keeps its contract."""
