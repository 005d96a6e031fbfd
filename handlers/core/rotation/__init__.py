"""New secrets: what is due, how each kind is made and proved, step by step."""
