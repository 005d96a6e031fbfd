"""How fast, how large, how soon: measured on real servers, never asserted in the tests."""
