"""The words that every handler shares; each file is one noun."""
