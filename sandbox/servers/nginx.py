"""A real nginx on loopback, one process, with the site it is given."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from sandbox.parts import require
from sandbox.servers.ports import free_port
from sandbox.servers.process import Server

_MAIN = """
daemon off;
master_process off;
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
    TLS port and its folder; `files`: further files in the folder, by name."""

    name = "nginx"

    def __init__(self, site: str, files: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self.secure = free_port()
        self.site = site
        self.files = dict(files or {})

    def prepare(self) -> None:
        """The configuration, and the files beside it."""
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)
        words = {"{port}": str(self.port), "{secure}": str(self.secure), "{folder}": str(self.folder)}
        site = self.site
        for word, value in words.items():
            site = site.replace(word, value)
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder, site=site))

    def command(self) -> list[str]:
        """Everything it writes is in its folder."""
        return [str(require("nginx")), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"]

    def is_ready(self) -> bool:
        """Its plain port takes connections."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
