"""`python -m tests.site FOLDER` writes the sources of the site: docs/, the README as its first page, the reference.

- A link to a file of the repository that is no page becomes a link to the repository (SITE_REPOSITORY).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath

from tests.site.reference import ROOT, pages

REPOSITORY = os.environ.get("SITE_REPOSITORY", "https://github.com/negahban/negahban")
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)]*)?\))")
PAGES = (".md", ".png", ".json", ".py")


def main(folder: Path) -> None:
    """See the module."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    for path in folder.rglob("*.md"):
        path.write_text(linked(path.read_text(), PurePosixPath("docs") / path.relative_to(folder).as_posix()))
    for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG"):
        target = "index" if name == "README" else name.lower()
        text = linked((ROOT / f"{name}.md").read_text(), PurePosixPath(f"{name}.md"))
        (folder / f"{target}.md").write_text(text)
    (folder / "reference").mkdir()
    for name, text in pages().items():
        (folder / "reference" / name).write_text(text)


def linked(text: str, page: PurePosixPath) -> str:
    """With its links as they are in the site. `page`: where it is in the repository."""

    def there(match: re.Match[str]) -> str:
        place = PurePosixPath(os.path.normpath(page.parent / match[2]))
        if place.parts[:1] == ("docs",) and (ROOT / place).is_file():
            inside = place.relative_to("docs")
            here = page.relative_to("docs").parent if page.parts[0] == "docs" else PurePosixPath()
            return f"{match[1]}{PurePosixPath(os.path.relpath(inside, here))}{match[3]}"
        kind = "tree" if (ROOT / place).is_dir() else "blob"
        return f"{match[1]}{REPOSITORY}/{kind}/main/{place}{match[3]}"

    return _LINK.sub(there, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
