"""What the bot touches: Slack, HTTP, MongoDB, S3, Redis, processes, the clock and the environment."""
