"""Tests of the bot's Slack side, against the local Slack with the shipped manifest."""
