"""A public address from outside, against a real nginx: every misconfiguration is named by its cause."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.adapters.clock import SystemClock
from bot.adapters.edge import HttpEdge, addresses
from handlers.checks.edge import EdgeCheck, certificate, redirect
from handlers.core.answers import TargetName
from handlers.core.errors import OutsideError, Refusal
from handlers.core.evidence import Verdict
from handlers.core.findings import Finding
from sandbox.servers.certificates import Authority
from sandbox.servers.nginx import Nginx
from sandbox.servers.ports import free_port
from tests.conftest import needs

SHOP = TargetName("shop")
ORIGIN = "https://shop.example"
GOOD: Mapping[str, str] = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
CORS = f'if ($http_origin = "{ORIGIN}") {{ add_header Access-Control-Allow-Origin "{ORIGIN}" always; }}'


def site(headers: Mapping[str, str], more: str = CORS, *, plain: str = "return 301 https://localhost$request_uri;",
         protocols: str = "TLSv1.2 TLSv1.3", tokens: str = "off") -> str:  # fmt: skip
    said = "".join(f'add_header {name} "{value}" always;\n' for name, value in headers.items())
    # add_header inside `if` replaces the outer ones, so they are repeated in it.
    inside = more.replace("{ add_header", "{ " + said + "add_header")
    return f"""
    server_tokens {tokens};
    server {{ listen 127.0.0.1:{{port}}; server_name localhost; {plain} }}
    server {{
        listen 127.0.0.1:{{secure}} ssl;
        server_name localhost;
        ssl_certificate {{folder}}/server.pem;
        ssl_certificate_key {{folder}}/server.key;
        ssl_protocols {protocols};
        ssl_ciphers ALL:@SECLEVEL=0;
        location / {{ {said} {inside} return 200 "ok"; }}
    }}
    """


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    needs("nginx")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def right(authority: Authority) -> dict[str, bytes]:
    return authority.server("right")


@contextmanager
def served(site_: str, files: Mapping[str, bytes]) -> Iterator[Nginx]:
    with Nginx(site_, files) as nginx:
        yield nginx


def found(nginx: Nginx, authority: Authority, *, origins: tuple[str, ...] = (ORIGIN,)) -> dict[str, Finding]:
    url = f"https://localhost:{nginx.secure}/"
    check = EdgeCheck(HttpEdge(str(authority.root)), SystemClock(), url, origins)
    return {each.name: each for each in check(SHOP, 20)}


def bad(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {name: str(each.text) for name, each in findings.items() if each.verdict is not Verdict.PASS}


def test_a_proxy_that_is_set_up_well_has_nothing_wrong(authority: Authority, right: dict[str, bytes]) -> None:
    with served(site(GOOD), right) as nginx:
        findings = found(nginx, authority)
        assert bad(findings) == {}
        assert {"HSTS", "framing", "Content-Security-Policy", "TLSv1", "TLSv1.1", "forged origins"} <= set(findings)
        answer = HttpEdge().ask(f"http://127.0.0.1:{nginx.port}/", {}, 5)
        assert redirect(answer, "localhost").verdict is Verdict.PASS


STARTS = 'if ($http_origin ~ "^https://shop.example") { add_header Access-Control-Allow-Origin "$http_origin" always; }'
WRONG = {
    "no HSTS": ({"Strict-Transport-Security": ""}, CORS, "HSTS", "no Strict-Transport"),
    "HSTS for a day": ({"Strict-Transport-Security": "max-age=86400"}, CORS, "HSTS", "lasts 1 days"),
    "HSTS of nonsense": ({"Strict-Transport-Security": "forever"}, CORS, "HSTS", "lasts 0 days"),
    "no framing": (
        {"X-Frame-Options": "", "Content-Security-Policy": "default-src 'self'"},
        CORS,
        "framing",
        "Any page may put it",
    ),
    "framing by anybody": (
        {"X-Frame-Options": "DENY", "Content-Security-Policy": "default-src 'self'; frame-ancestors *"},
        CORS,
        "framing",
        "Any page may put it",
    ),
    "framing of nonsense": (
        {"X-Frame-Options": "ALLOWALL", "Content-Security-Policy": "default-src 'self'"},
        CORS,
        "framing",
        "Any page may put it",
    ),
    "no policy": ({"Content-Security-Policy": ""}, CORS, "Content-Security-Policy", "There is no"),
    "a policy of everything": (
        {"Content-Security-Policy": "default-src *; frame-ancestors 'none'"},
        CORS,
        "Content-Security-Policy",
        "lets scripts come from",
    ),
    "a policy with inline scripts": (
        {"Content-Security-Policy": "script-src 'self' 'unsafe-inline'; frame-ancestors 'none'"},
        CORS,
        "Content-Security-Policy",
        "lets scripts come from",
    ),
    "a policy about pictures": (
        {"Content-Security-Policy": "img-src 'self'; frame-ancestors 'none'"},
        CORS,
        "Content-Security-Policy",
        "nothing about scripts",
    ),
    "guessed types": ({"X-Content-Type-Options": ""}, CORS, "X-Content-Type-Options", "nosniff is missing"),
    "an allowed origin that may not": ({}, "", f"origin {ORIGIN}", "may read nothing"),
    "every origin": (
        {},
        'add_header Access-Control-Allow-Origin "*" always;',
        "forged origins",
        "may read answers",
    ),
    "whatever origin asks": (
        {},
        'add_header Access-Control-Allow-Origin "$http_origin" always;',
        "forged origins",
        "may read answers",
    ),
    "origins that begin alike": (
        {},
        'if ($http_origin ~ "^https://shop.example") { add_header Access-Control-Allow-Origin "$http_origin" always; }',
        "forged origins",
        "https://shop.example.evil.example",
    ),
    "origins that end alike": (
        {},
        'if ($http_origin ~ "shop.example$") { add_header Access-Control-Allow-Origin "$http_origin" always; }',
        "forged origins",
        "https://evilshop.example",
    ),
    "a cookie without anything": (
        {"Set-Cookie": "session=1; Path=/"},
        CORS,
        "cookie session",
        "without Secure, HttpOnly, SameSite",
    ),
    "a cookie that scripts read": (
        {"Set-Cookie": "session=1; Secure; SameSite=Lax"},
        CORS,
        "cookie session",
        "without HttpOnly",
    ),
    "a banner": ({"X-Powered-By": "Express 4.17"}, CORS, "banner x-powered-by", "tells the version"),
}


@pytest.mark.parametrize(("headers", "more", "name", "why"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_by_its_cause(
    authority: Authority, right: dict[str, bytes], headers: dict[str, str], more: str, name: str, why: str
) -> None:
    given = {key: value for key, value in {**GOOD, **headers}.items() if value}
    with served(site(given, more), right) as nginx:
        wrong = bad(found(nginx, authority))
        assert why in wrong.get(name, f"nothing is wrong with {name}: {wrong}")


def test_the_version_of_the_proxy_is_a_banner(authority: Authority, right: dict[str, bytes]) -> None:
    with served(site(GOOD, tokens="on"), right) as nginx:
        assert "nginx/" in bad(found(nginx, authority))["banner server"]


def test_old_tls_is_found(authority: Authority, right: dict[str, bytes]) -> None:
    with served(site(GOOD, protocols="TLSv1 TLSv1.1 TLSv1.2"), right) as nginx:
        assert set(bad(found(nginx, authority))) == {"TLSv1", "TLSv1.1"}


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ('return 200 "ok";', "answers 200 instead"),
        ("return 301 http://localhost/;", "not to HTTPS"),
        ("return 301 https://elsewhere.example/;", "not to HTTPS on the same host"),
    ],
    ids=["no redirect", "to plain HTTP", "to another host"],
)
def test_a_redirect_that_does_not_protect_is_found(right: dict[str, bytes], plain: str, why: str) -> None:
    needs("nginx")
    with served(site(GOOD, plain=plain), right) as nginx:
        answer = HttpEdge().ask(f"http://127.0.0.1:{nginx.port}/", {}, 5)
        finding = redirect(answer, "localhost")
        assert (finding.verdict, why in str(finding.text)) == (Verdict.FAIL, True)


def test_a_certificate_that_is_not_believed_is_named_by_its_cause(authority: Authority) -> None:
    wrong = {
        "expired": (authority.server("expired", over=True), "expired"),
        "another name": (authority.server("other", "other.example"), "not valid for 'localhost'"),
        "self-signed": (authority.self_signed("self"), "self-signed"),
        "no intermediate": (authority.without_chain("alone"), "unable to get local issuer"),
    }
    for files, why in wrong.values():
        with served(site(GOOD), files) as nginx:
            (finding,) = [each for name, each in found(nginx, authority).items() if name.startswith("certificate")]
            assert finding.verdict is Verdict.FAIL
            assert why in str(finding.text)


def test_a_certificate_that_ends_soon_is_found(authority: Authority) -> None:
    with served(site(GOOD), authority.server("soon", days=7)) as nginx:
        (shown,) = HttpEdge(str(authority.root)).certificates("localhost", nginx.secure, 5)
        assert certificate(shown, datetime.now(UTC)).verdict is Verdict.FAIL


def test_a_certificate_that_was_renewed_on_disk_and_not_loaded_is_the_old_one(
    authority: Authority, right: dict[str, bytes]
) -> None:
    with served(site(GOOD), authority.server("old", days=7)) as nginx:
        for name, content in right.items():
            (nginx.folder / name).write_bytes(content)
        (shown,) = HttpEdge(str(authority.root)).certificates("localhost", nginx.secure, 5)
        assert certificate(shown, datetime.now(UTC)).verdict is Verdict.FAIL


def test_who_does_not_answer_is_not_well(authority: Authority) -> None:
    url = f"https://localhost:{free_port()}/"
    (finding,) = EdgeCheck(HttpEdge(str(authority.root)), SystemClock(), url)(SHOP, 5)
    assert finding.verdict is Verdict.FAIL


def test_who_takes_a_connection_and_says_nothing_is_not_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OutsideError, match="in time"):
        HttpEdge().ask(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, 0.3)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
    ],
)
def test_addresses_of_the_cloud_itself_are_never_asked(host: str) -> None:
    with pytest.raises(Refusal, match="never asked"):
        HttpEdge().ask(f"http://{host}/latest/meta-data/", {}, 1)


def test_one_forbidden_address_among_others_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.1", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(Refusal, match="never asked"):
        addresses("rebind.example", 80)


def test_the_files_of_an_authority_are_its_own(authority: Authority) -> None:
    assert Path(authority.root).read_bytes().startswith(b"-----BEGIN CERTIFICATE")
