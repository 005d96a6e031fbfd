"""Slack: the one room that knows it. Listeners ack, ask the desk and say; blocks draw; chat calls."""
