"""Copies: how one is made, which exist, what stays and why, what is due."""
