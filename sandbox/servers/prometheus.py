"""A real Prometheus with the configuration it is given."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.parts import require
from sandbox.servers.http import answers
from sandbox.servers.process import Server


class Prometheus(Server):
    """One Prometheus. `configuration` is the YAML text of its prometheus.yml.

    `files` are further files by name, such as {"rules.yml": "…"}, in the same folder. `part` is which
    program it is: `prometheus` or `newer-prometheus`.
    """

    name = "prometheus"

    def __init__(self, configuration: str, files: Mapping[str, str] | None = None, part: str = "prometheus") -> None:
        super().__init__()
        self.part = part
        self.configuration = configuration
        self.files = dict(files or {})

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """The configuration and the files beside it."""
        for name, text in ({"prometheus.yml": self.configuration} | self.files).items():
            (self.folder / name).write_text(text)

    def command(self) -> list[str]:
        """Its database in its own folder, and reload over HTTP allowed."""
        return [
            str(require(self.part)),
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
        ]

    def reload(self) -> bool:
        """Writes the configuration again and has it read; False when it is refused."""
        self.prepare()
        return answers(self.port, "/-/reload", "POST")

    def is_ready(self) -> bool:
        """Its own readiness page says so."""
        return answers(self.port, "/-/ready")
