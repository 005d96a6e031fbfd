"""One outside system a file, or a folder where it needs more; none knows another."""
