"""The reference says everything that there is, and the site's links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import yaml

from bot.settings import SETTINGS
from bot.wiring.commands import COMMANDS
from tests.site.__main__ import linked, main
from tests.site.reference import ROOT, command_line, metrics, pages, settings, slack


def test_every_setting_is_there() -> None:
    assert [each.name for each in SETTINGS] == re.findall(r"^\| `([A-Z0-9_]+)` \|", settings(), re.MULTILINE)


def test_every_command_is_there() -> None:
    assert set(re.findall(r"^\| `/([a-z]+)`", slack(), re.MULTILINE)) == set(COMMANDS)
    assert {"run", "serve", "worker", "check", "init", "enroll"} <= set(
        re.findall(r"^## negahban (\w+)$", command_line(), re.MULTILINE)
    )


def test_every_metric_that_the_rules_and_dashboards_use_is_there() -> None:
    used = set()
    for folder in ("prometheus/rules", "grafana"):
        for path in filter(Path.is_file, (ROOT / "deploy" / folder).rglob("*")):
            used |= set(re.findall(r"\bnegahban_[a-z_]+", path.read_text()))
    known = set(re.findall(r"^\| `(negahban_[a-z_]+)`", metrics(), re.MULTILINE))
    assert {re.sub(r"_(bucket|sum|count)$", "", each) for each in used} <= known


def test_every_table_has_the_same_columns_in_each_row() -> None:
    for name, text in pages().items():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, f"{name}: {table[:200]}"


def test_a_link_out_of_the_pages_leads_to_the_repository() -> None:
    page = PurePosixPath("docs/deployment.md")
    assert linked("[x](../deploy/nginx)", page).endswith("/tree/main/deploy/nginx)")
    assert linked("[x](adr/0001-house.md#why)", page) == "[x](adr/0001-house.md#why)"
    assert linked("[x](https://example.org/a)", page) == "[x](https://example.org/a)"
    assert linked("[x](docs/design.md)", PurePosixPath("README.md")) == "[x](design.md)"


def test_every_page_of_the_site_is_put_together(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    main(folder)
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = re.findall(r"[\w/-]+\.md", str(nav))
    assert named
    assert not [each for each in named if not (folder / each).is_file()]
    for page in folder.rglob("*.md"):
        for link in re.findall(r"\]\(([^)\s#:]+)[)#]", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
