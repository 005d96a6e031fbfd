"""The checks of `/health`: facts in, findings out, one file a section."""
