"""Runbooks as files, and runs of them."""
