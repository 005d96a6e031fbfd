"""The example of ALERTS_ROUTES is read whole, and its own examples go where they say."""

from __future__ import annotations

from pathlib import Path

from bot.adapters import yaml_file
from handlers.core.alerts import routes
from handlers.core.alerts.routes import Route

EXAMPLE = Path(__file__).parents[2] / "deploy" / "alerts-routes.example.yaml"


def test_the_example_is_read_and_its_examples_go_where_they_say() -> None:
    found, problems = routes.read(yaml_file.read(EXAMPLE), Route("C0000000000"))
    assert problems == ()
    assert (len(found.rules), len(found.examples)) == (2, 4)
