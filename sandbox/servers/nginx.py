"""A real nginx on loopback, with the site it is given: one process, or as it is run when it shall reload."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from sandbox.parts import require
from sandbox.servers.ports import free_port
from sandbox.servers.process import Server

_MAIN = """
daemon off;
{process}
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


class Nginx(Server):
    """One nginx. `site`: what stands inside `http`, where `{port}`, `{secure}` and `{folder}` are its plain port, its
    TLS port and its folder; `files`: further files in the folder, by name, as are `links`; `reloads`: a
    master and a worker, since one process alone cannot reload TLS."""

    name = "nginx"

    def __init__(self, site: str, files: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self.secure = free_port()
        self.site = site
        self.files = dict(files or {})
        self.links: dict[str, Path] = {}
        self.reloads = False

    def prepare(self) -> None:
        """The configuration, and the files beside it."""
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)
        for name, target in self.links.items():
            (self.folder / name).symlink_to(target)
        words = {"{port}": str(self.port), "{secure}": str(self.secure), "{folder}": str(self.folder)}
        site = self.site
        for word, value in words.items():
            site = site.replace(word, value)
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder, site=site, process=self._process))

    def command(self) -> list[str]:
        """Everything it writes is in its folder."""
        return [str(require("nginx")), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    @property
    def _process(self) -> str:
        if not self.reloads:
            return "master_process off;"
        return "user root; worker_processes 1;" if os.geteuid() == 0 else "worker_processes 1;"

    def reload(self) -> None:
        """Reads its configuration and certificates again, as `nginx -s reload` asks it to."""
        os.kill(self.pid, signal.SIGHUP)

    def is_ready(self) -> bool:
        """Its plain port takes connections."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
