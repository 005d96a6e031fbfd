"""The demo: everything real on loopback except Slack, started with one command and gone afterwards."""
