"""What must hold when processes are killed and data is damaged, on real servers."""
