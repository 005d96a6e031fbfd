"""The proxy's configuration as it is shipped, in a real nginx: our own check of an edge finds nothing wrong with it,
and only the paths that somebody outside may need are answered."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from bot.adapters.edge import HttpEdge
from handlers.checks.edge import redirect
from handlers.core.formats.evidence import Verdict
from sandbox.servers.certificates import Authority
from sandbox.servers.nginx import Nginx
from tests.bot.test_edge import bad, found
from tests.chaos.rolling import balancer
from tests.conftest import needs

DEPLOY = Path(__file__).parents[2] / "deploy"
SITE = (DEPLOY / "nginx" / "negahban.conf").read_text()
OUTSIDE = ("/slack/events", "/webhooks/alertmanager", "/webhooks/ci")
INSIDE = ("/metrics", "/readyz", "/livez", "/", "/webhooks/alertmanager/x", "/webhooks/", "/slack/", "/slack/events/..")


class _Upstream(http.server.BaseHTTPRequestHandler):
    """In the bot's place: everything is answered, so that what is refused was refused by the proxy."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()

    do_GET = do_POST  # noqa: N815 as the base class names it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as the base class names it
        """Nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    needs("nginx")
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def upstream() -> Iterator[int]:
    """The port of what stands in the bot's place."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def shipped(port: int, chain: str = "server.pem", key: str = "server.key") -> str:
    """The configuration, before a bot at that port, with its certificate in the proxy's own folder."""
    site = SITE
    for written, here in {
        "${NEGAHBAN_HOST}/fullchain.pem": chain,
        "${NEGAHBAN_HOST}/privkey.pem": key,
        "/etc/letsencrypt/live/": "{folder}/",
        "/var/www/acme": "{folder}/acme",
        "${NEGAHBAN_HOST}": "localhost",
        "${NEGAHBAN_UPSTREAM}": f"127.0.0.1:{port}",
        "${NEGAHBAN_RESOLVER}": "127.0.0.1",
        "listen 80": "listen 127.0.0.1:{port}",
        "listen 443": "listen 127.0.0.1:{secure}",
    }.items():
        assert written in site
        site = site.replace(written, here)
    assert "${" not in site
    return site


@pytest.fixture(scope="module")
def proxy(authority: Authority) -> Iterator[Nginx]:
    with upstream() as port, Nginx(shipped(port), authority.server("right")) as nginx:
        challenge = nginx.folder / "acme" / ".well-known" / "acme-challenge"
        challenge.mkdir(parents=True)
        (challenge / "token").write_text("proof")
        yield nginx


def status(proxy: Nginx, authority: Authority, path: str, body: bytes = b"{}") -> int:
    url = f"https://localhost:{proxy.secure}{path}"
    context = ssl.create_default_context(cafile=str(authority.root))
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_our_own_check_finds_nothing_wrong_with_it(proxy: Nginx, authority: Authority) -> None:
    findings = found(proxy, authority, origins=())
    assert bad(findings) == {}
    assert {"HSTS", "framing", "Content-Security-Policy", "TLSv1", "TLSv1.1"} <= set(findings)
    answer = HttpEdge().ask(f"http://localhost:{proxy.port}/", {}, 5)
    assert redirect(answer, "localhost").verdict is Verdict.PASS


def test_only_the_paths_for_outside_are_answered(proxy: Nginx, authority: Authority) -> None:
    assert {path: status(proxy, authority, path) for path in OUTSIDE} == dict.fromkeys(OUTSIDE, 200)
    assert {path: status(proxy, authority, path) for path in INSIDE} == dict.fromkeys(INSIDE, 404)


def test_the_page_of_second_factors_is_reached_by_a_whole_link_and_says_its_own_policy(
    proxy: Nginx, authority: Authority
) -> None:
    link = f"/enrol/{'a' * 32}"
    assert status(proxy, authority, link, b"step=bind") == 200
    assert status(proxy, authority, link, b"x" * 9000) == 413
    for other in ("/enrol/", "/enrol/short", f"{link}/x", f"/enrol/{'A' * 32}"):
        assert status(proxy, authority, other) == 404
    context = ssl.create_default_context(cafile=str(authority.root))
    with urllib.request.urlopen(f"https://localhost:{proxy.secure}{link}", timeout=10, context=context) as answer:
        assert answer.headers.get_all("Content-Security-Policy") is None  # of the proxy: the bot sends its own


def test_a_body_that_is_too_large_is_refused(proxy: Nginx, authority: Authority) -> None:
    assert status(proxy, authority, "/webhooks/alertmanager", b"x" * 9_000_000) == 200
    assert status(proxy, authority, "/webhooks/alertmanager", b"x" * 11_000_000) == 413
    assert status(proxy, authority, "/slack/events", b"x" * 2_000_000) == 413


def test_the_proof_for_a_certificate_is_served_over_plain_http(proxy: Nginx) -> None:
    url = f"http://localhost:{proxy.port}/.well-known/acme-challenge/token"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"proof"


def test_who_asks_for_another_name_is_not_even_shown_a_certificate(proxy: Nginx) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", proxy.secure), timeout=5) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"),
    ):
        context.wrap_socket(plain, server_hostname="elsewhere.example").close()


class _Leaving(_Upstream):
    """In the place of an instance that goes down."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        self.end_headers()


def test_what_an_instance_that_goes_down_refuses_is_answered_by_the_other() -> None:
    needs("nginx")
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (_Leaving, _Upstream)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with Nginx(balancer([server.server_port for server in servers])) as nginx:
        for path in (*OUTSIDE, *OUTSIDE):
            request = urllib.request.Request(f"http://127.0.0.1:{nginx.port}{path}", data=b"{}")
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 200
    for server in servers:
        server.shutdown()
        server.server_close()


def test_traefik_is_told_the_same() -> None:
    """Traefik is not to be had here: what it is told is compared, not run."""
    told = yaml.safe_load((DEPLOY / "traefik" / "negahban.yaml").read_text().replace("{{", "").replace("}}", ""))[
        "http"
    ]
    rules = " ".join(router["rule"] for router in told["routers"].values())
    assert {path for path in (*OUTSIDE, *INSIDE) if f"Path(`{path}`)" in rules} == set(OUTSIDE)
    assert "PathPrefix" not in rules
    for router in told["routers"].values():
        assert router["entryPoints"] == ["websecure"]
        assert ("headers" in router["middlewares"]) is ("/enrol/" not in router["rule"])
        assert router["tls"]["certResolver"]
    headers = told["middlewares"]["headers"]["headers"]
    assert f'max-age={headers["stsSeconds"]}"' in SITE
    assert headers["contentSecurityPolicy"] in SITE
    assert (headers["frameDeny"], headers["contentTypeNosniff"]) == (True, True)
    assert (
        f"client_max_body_size {told['middlewares']['webhooks-size']['buffering']['maxRequestBodyBytes'] >> 20}m"
        in SITE
    )
