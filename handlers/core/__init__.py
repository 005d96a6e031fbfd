"""What the handlers share, in rooms; each file is one noun. `ports` is the outside, as Protocols."""
