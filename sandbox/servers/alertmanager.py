"""A real Alertmanager, alone (no cluster), with the configuration it is given."""

from __future__ import annotations

from sandbox.parts import require
from sandbox.servers.http import answers
from sandbox.servers.process import Server


class Alertmanager(Server):
    """One Alertmanager. `configuration` is the YAML text of its alertmanager.yml; `part` which program it is."""

    name = "alertmanager"

    def __init__(self, configuration: str, part: str = "alertmanager") -> None:
        super().__init__()
        self.part = part
        self.configuration = configuration

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """The configuration file, readable by its owner only: it may hold a token."""
        file = self.folder / "alertmanager.yml"
        file.touch(mode=0o600)
        file.write_text(self.configuration)

    def command(self) -> list[str]:
        """An empty cluster address: it neither listens for peers nor announces itself."""
        return [
            str(require(self.part)),
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def reload(self) -> bool:
        """Writes the configuration again and has it read; False when it is refused."""
        self.prepare()
        return answers(self.port, "/-/reload", "POST")

    def is_ready(self) -> bool:
        """Its own readiness page says so."""
        return answers(self.port, "/-/ready")
