"""From a copy back to data: loading beside what is live, proving, switching, undoing; scrubs and drills."""
