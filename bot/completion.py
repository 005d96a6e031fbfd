"""What a shell completes after `negahban`: made from the parser itself, so that it is never out of date.

eval "$(negahban completion bash)"
"""

from __future__ import annotations

import argparse

_BASH = """_negahban() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" words
  if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; else case "$command" in
{cases}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _negahban negahban
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
SHELLS = ("bash", "zsh")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """For one of SHELLS."""
    commands = _commands(parser)
    cases = "\n".join(f'    {name}) words="{" ".join(_words(each))}" ;;' for name, each in commands.items())
    return (_ZSH if shell == "zsh" else "") + _BASH.format(commands=" ".join(commands), cases=cases)


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """Its options, and the words that an argument is chosen from."""
    found: list[str] = []
    for action in parser._actions:
        found += [option for option in action.option_strings if option.startswith("--")]
        found += [str(choice) for choice in action.choices or () if not isinstance(action, argparse._SubParsersAction)]
    return found
