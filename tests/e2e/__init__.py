"""People at the local Slack's page, in a real browser without a screen."""
