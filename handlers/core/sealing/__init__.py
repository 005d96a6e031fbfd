"""What vouches for the audit record: seals, copies, heads, and who looks after them."""
