"""Tests of what is decided, without the world."""
