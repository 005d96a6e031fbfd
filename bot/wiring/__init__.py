"""The wiring: which adapter stands behind which port, and what each command of the command line starts.

- The only reader of the settings, and the only place that knows both handlers and adapters.
- Adding a slash command is one line in `commands.COMMANDS` and one in `house.build`; adding a store is one line in
  `backups.artifact_store`.
"""

from bot.wiring.commands import command

__all__ = ["command"]
