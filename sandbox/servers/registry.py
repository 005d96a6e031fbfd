"""A real registry of images on loopback: CNCF Distribution, Debian's `docker-registry`."""

from __future__ import annotations

import json

from sandbox.parts import require
from sandbox.servers.http import answers
from sandbox.servers.process import Server


class Registry(Server):
    """Takes and gives images without asking who it is: Docker needs no TLS for 127.0.0.0/8."""

    name = "registry"

    @property
    def address(self) -> str:
        """What an image's name begins with."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Its configuration; JSON is YAML."""
        configuration = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "images")}},
            "http": {"addr": self.address},
        }
        (self.folder / "config.yml").write_text(json.dumps(configuration))

    def command(self) -> list[str]:
        """See the module."""
        return [str(require("docker-registry")), "serve", str(self.folder / "config.yml")]

    def is_ready(self) -> bool:
        """It speaks version 2 of the registry's API."""
        return answers(self.port, "/v2/")
