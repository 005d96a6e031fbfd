"""The local Slack and the embedded servers do what the real ones do."""
