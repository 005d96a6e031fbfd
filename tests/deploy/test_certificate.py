"""A certificate obtained for real: certbot, pebble, and the proxy as it is shipped, judged by our own check."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.adapters.clock import SystemClock
from bot.adapters.edge import HttpEdge, PemFile
from bot.examining import Threads
from handlers.checks.edge import EdgeCheck
from handlers.checks.transport import Door
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.words.answers import TargetName
from sandbox.servers.certificates import Authority
from sandbox.servers.nginx import Nginx
from sandbox.servers.pebble import Certbot, Pebble
from tests.conftest import needs
from tests.deploy.test_proxy import shipped, upstream

SHOP = TargetName("shop")
LOADED, SERVED = "certificate loaded at 127.0.0.1", "certificate at 127.0.0.1"


def free(port: int) -> bool:
    """Whether this process may listen there."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


class Site:
    """The proxy at ports 80 and 443 of this machine, its authority, and the client that keeps its certificate."""

    def __init__(self, nginx: Nginx, certbot: Certbot, root: Path) -> None:
        self.nginx, self.certbot, self.root = nginx, certbot, root
        self.file = nginx.folder / "live" / "fullchain.pem"

    def found(self) -> dict[str, Finding]:
        check = EdgeCheck(
            HttpEdge(str(self.root)),
            SystemClock(),
            Threads(),
            "https://localhost/",
            (),
            (Door(443, "open"), Door(80, "open")),
            PemFile(str(self.file)),
        )
        return {each.name: each for each in check(SHOP, 20)}

    def bad(self) -> dict[str, str]:
        return {name: str(each.text) for name, each in self.found().items() if each.verdict is not Verdict.PASS}

    def well(self) -> dict[str, str]:
        """What is still wrong when the reload had all the time it needs."""
        until = time.monotonic() + 20
        while (wrong := self.bad()) and time.monotonic() < until:
            time.sleep(0.2)
        return wrong


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for part in ("nginx", "pebble", "certbot"):
        needs(part)
    if not free(80) or not free(443):
        pytest.skip("ports 80 and 443 of this machine are not to be had")
    folder = tmp_path_factory.mktemp("certificate")
    authority = Authority(folder)
    with upstream() as port:
        nginx = Nginx(shipped(port, "live/fullchain.pem", "live/privkey.pem"))
        nginx.port, nginx.secure, nginx.reloads = 80, 443, True
        (folder / "first").mkdir()
        for name, content in authority.self_signed("first").items():
            (folder / "first" / {"server.pem": "fullchain.pem", "server.key": "privkey.pem"}[name]).write_bytes(content)
        nginx.links = {"live": folder / "first"}
        with nginx, Pebble(authority, http_port=80) as pebble:
            (nginx.folder / "acme").mkdir()
            (folder / "issuer.pem").write_bytes(pebble.root())
            certbot = Certbot(pebble, authority.root, folder, nginx.folder / "acme")
            yield Site(nginx, certbot, folder / "issuer.pem")


def test_a_certificate_is_obtained_renewed_forgotten_and_loaded(site: Site) -> None:
    """One life, in order: each step is the ground of the next."""
    assert "not believed: self-signed" in site.bad()[SERVED]

    site.certbot.obtain("localhost")
    live = site.nginx.folder / "live"
    live.unlink()
    live.symlink_to(site.certbot.live("localhost"))
    assert "reload the proxy" in site.bad()[LOADED], "it is on the disk, and not served"
    site.nginx.reload()
    assert site.well() == {}, "nothing at all is wrong with what we ship"
    found = site.found()
    assert {"redirect", "HSTS", "ciphers", "ciphers of TLS 1.3", "port 443", SERVED, LOADED} <= set(found)
    assert "90 days" in str(found[SERVED].text) or "89 days" in str(found[SERVED].text)

    site.certbot.renew()
    assert set(site.bad()) == {LOADED}, "the old one is good for months, so only this tells"
    assert "Renewed, good from" in site.bad()[LOADED]
    site.nginx.reload()
    assert site.well() == {}


def test_a_file_that_is_not_there_leaves_only_that_unknown(site: Site, tmp_path: Path) -> None:
    for path in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_text("nothing")
        site.file = path
        found = site.found()
        assert found["certificate file"].verdict is Verdict.UNKNOWN
        assert LOADED not in found
