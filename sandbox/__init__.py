"""A local Slack with a page, and embedded real servers, for the demo and the tests.

It knows neither the bot nor the handlers: they meet over HTTP, WebSocket and TCP only.
"""
