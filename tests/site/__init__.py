"""The docs site: `make docs`. Its pages are docs/, the README, and a reference that is made from the code."""
