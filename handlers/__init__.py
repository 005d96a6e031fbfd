"""What the bot decides: every rule, plan and word, without touching the world."""
