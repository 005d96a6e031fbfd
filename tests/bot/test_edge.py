"""A public address from outside, against a real nginx: every misconfiguration is named by its cause."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.clock import SystemClock
from bot.adapters.edge import HttpEdge, PemFile, addresses
from bot.examining import Threads
from handlers.checks.certificates import certificate, certificates, loaded
from handlers.checks.edge import EdgeCheck, redirect
from handlers.checks.transport import Door, ports, transport
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.health.vitals import Filed, Reached, Shown
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers.black_hole import black_hole
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
         protocols: str = "TLSv1.2 TLSv1.3", tokens: str = "off",
         ciphers: str = "ECDHE+AESGCM:ECDHE+CHACHA20") -> str:  # fmt: skip
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
        ssl_ciphers {ciphers};
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
    check = EdgeCheck(HttpEdge(str(authority.root)), SystemClock(), Threads(), url, origins)
    return {each.name: each for each in check(SHOP, 20) if each.name != "redirect"}


def bad(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {name: str(each.text) for name, each in findings.items() if each.verdict is not Verdict.PASS}


def test_a_proxy_that_is_set_up_well_has_nothing_wrong(authority: Authority, right: dict[str, bytes]) -> None:
    with served(site(GOOD), right) as nginx:
        findings = found(nginx, authority)
        assert bad(findings) == {}
        expected = {"HSTS", "framing", "Content-Security-Policy", "SSLv3", "TLSv1", "TLSv1.1", "ciphers"}
        assert {*expected, "forward secrecy", "forged origins", "forged preflights"} <= set(findings)
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
    "preflights from anywhere": (
        {},
        CORS + ' if ($request_method = OPTIONS) { add_header Access-Control-Allow-Origin "$http_origin" always; }',
        "forged preflights",
        "may read answers",
    ),
    "a preflight that is refused": (
        {},
        CORS + " if ($request_method = OPTIONS) { return 405; }",
        f"preflight of {ORIGIN}",
        "cannot send JSON",
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
    old = "ECDHE+AES:@SECLEVEL=0"
    with served(site(GOOD, protocols="TLSv1 TLSv1.1 TLSv1.2", ciphers=old), right) as nginx:
        assert set(bad(found(nginx, authority))) == {"TLSv1", "TLSv1.1"}


@pytest.mark.parametrize(
    ("ciphers", "wrong"),
    [
        ("ECDHE+AESGCM:AES128-GCM-SHA256", {"forward secrecy"}),
        ("ECDHE+AESGCM:aNULL:@SECLEVEL=0", {"ciphers"}),
        ("ECDHE+AESGCM:eNULL:@SECLEVEL=0", {"ciphers"}),
        ("DHE+AES", set()),
    ],
    ids=["RSA key exchange", "no name", "no encryption", "only DHE"],
)
def test_ciphers_that_protect_nobody_are_found(
    authority: Authority, right: dict[str, bytes], ciphers: str, wrong: set[str]
) -> None:
    with served(site(GOOD, ciphers=ciphers), right) as nginx:
        assert set(bad(found(nginx, authority))) == wrong


@pytest.mark.parametrize(
    ("suites", "protocols", "why"),
    [
        ("TLS_AES_128_CCM_8_SHA256:TLS_AES_128_GCM_SHA256", "TLSv1.2 TLSv1.3", "a tag of 64 bits"),
        ("TLS_AES_256_GCM_SHA384", "TLSv1.2 TLSv1.3", "are good ones"),
        ("TLS_AES_128_GCM_SHA256", "TLSv1.2", "does not speak TLS 1.3"),
    ],
    ids=["a short tag", "good", "not spoken"],
)
def test_ciphers_of_tls_13_are_looked_at(
    authority: Authority, right: dict[str, bytes], suites: str, protocols: str, why: str
) -> None:
    given = site(GOOD, protocols=protocols).replace("location /", f"ssl_conf_command Ciphersuites {suites}; location /")
    with served(given, right) as nginx:
        finding = found(nginx, authority)["ciphers of TLS 1.3"]
    assert why in str(finding.text)
    assert finding.verdict is (Verdict.FAIL if "tag" in why else Verdict.PASS)


def test_a_server_that_wants_another_group_for_its_key_is_asked_all_the_same(
    authority: Authority, right: dict[str, bytes]
) -> None:
    given = site(GOOD).replace("ssl_ciphers", "ssl_ecdh_curve secp384r1; ssl_ciphers")
    with served(given, right) as nginx:
        assert HttpEdge().chosen("localhost", nginx.secure, "TLSv1.3", (0x1302,), 5) == 0x1302
        assert HttpEdge().chosen("localhost", nginx.secure, "TLSv1.3", (0x1305,), 5) is None


def test_a_hello_that_is_not_answered_is_not_known(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        found_ = EdgeCheck(HttpEdge(), SystemClock(), Threads(), url, (ORIGIN,), (Door(9, "closed"),))(SHOP, 2)
    by_name = {each.name: each.verdict for each in found_}
    assert {name for name, verdict in by_name.items() if verdict is not Verdict.UNKNOWN} == {"port 9"}
    expected = {"address", "redirect", "certificate", "TLS", f"origin {ORIGIN}", "forged origins", "forged preflights"}
    assert {*expected, f"preflight of {ORIGIN}"} <= set(by_name)


class Tired(HttpEdge):
    """Reaches the real server with its first hellos, and one that says nothing with all others."""

    def __init__(self, hellos: int, hole: int) -> None:
        super().__init__()
        self.left, self.hole = hellos, hole

    def chosen(self, host: str, port: int, version: str, ciphers: Sequence[int], seconds: float) -> int | None:
        self.left -= 1
        return super().chosen(host, port if self.left >= 0 else self.hole, version, ciphers, seconds)


@pytest.mark.parametrize(
    ("hellos", "known"),
    [
        (1, {"SSLv3"}),
        (3, {"SSLv3", "TLSv1", "TLSv1.1"}),
        (10, {"SSLv3", "TLSv1", "TLSv1.1", "ciphers", "forward secrecy"}),
    ],
)
def test_what_a_server_that_falls_silent_would_have_taken_is_not_known(
    right: dict[str, bytes], hellos: int, known: set[str]
) -> None:
    with served(site(GOOD), right) as nginx, black_hole() as hole:
        looked = list(transport(Tired(hellos, hole), "localhost", nginx.secure, 2))
    assert {each.name for each in looked if each.verdict is Verdict.PASS} == known
    assert {each.verdict for each in looked if each.name not in known} == {Verdict.UNKNOWN}
    assert {each.name for each in looked} >= {"SSLv3", "TLSv1", "TLSv1.1", "ciphers", "ciphers of TLS 1.3"}


def test_what_answers_with_something_else_is_no_hello() -> None:
    def answer(listening: socket.socket) -> None:
        with listening.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(b"220 mail.example ESMTP\r\n")

    with socket.create_server(("127.0.0.1", 0)) as odd:
        threading.Thread(target=answer, args=(odd,), daemon=True).start()
        edge, port = HttpEdge(), odd.getsockname()[1]
        with pytest.raises(OutsideError, match="TLS hello"):
            edge.chosen("127.0.0.1", port, "TLSv1", (0x002F,), 5)


# -- ports -----------------------------------------------------------------------------------------------------------


def doors(edge: object, *wanted: Door) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in ports(edge, "127.0.0.1", wanted, 0.5)}  # type: ignore[arg-type]


def test_a_port_is_open_or_closed_as_it_should_be() -> None:
    shut = free_port()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        edge = HttpEdge()
        well = doors(edge, Door(port, "open"), Door(shut, "closed"))
        badly = doors(edge, Door(port, "closed"), Door(shut, "open"))
    assert set(well.values()) == {Verdict.PASS}
    assert set(badly.values()) == {Verdict.FAIL}


class Played:
    """What each port does, at one address."""

    def __init__(self, **said: Reached) -> None:
        self._said = said

    def reach(self, host: str, ports: Sequence[int], seconds: float) -> Mapping[int, Mapping[str, Reached]]:
        return {port: {"192.0.2.1": self._said[f"p{port}"]} for port in ports}


@pytest.mark.parametrize(
    ("edge", "verdict"),
    [
        (Played(p443="open", p27017="silent"), Verdict.PASS),
        (Played(p443="silent", p27017="silent"), Verdict.UNKNOWN),
        (Played(p443="open", p27017="untried"), Verdict.UNKNOWN),
        (Played(p443="untried", p27017="refused"), Verdict.PASS),
        (Played(p443="open", p27017="open"), Verdict.FAIL),
    ],
    ids=["filtered", "nothing answers", "no way there", "refused", "open"],
)
def test_silence_is_closed_only_when_the_host_is_there(edge: Played, verdict: Verdict) -> None:
    assert doors(edge, Door(443, "open"), Door(27017, "closed"))["port 27017"] is verdict


def test_a_name_that_cannot_be_looked_up_leaves_its_ports_unknown() -> None:
    found_ = doors(HttpEdge(), Door(27017, "closed", "no-such-name.invalid"))
    assert found_ == {"port no-such-name.invalid:27017": Verdict.UNKNOWN}


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


def test_a_key_that_is_too_small_is_named(authority: Authority, tmp_path: Path) -> None:
    """Served by Python's TLS, since nginx would not load it."""
    for name, content in authority.server("weak", bits=1024).items():
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            with listening.accept()[0] as plain, contextlib.suppress(OSError):
                context.wrap_socket(plain, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        (shown,) = HttpEdge(str(authority.root)).certificates("localhost", listening.getsockname()[1], 5)
        thread.join(10)
    assert "key too weak" in shown.why
    assert shown.fingerprint, "which one it is, is seen all the same"


def test_a_certificate_that_cannot_be_dated_is_not_known() -> None:
    assert certificate(Shown("192.0.2.1", None, "TLSv1.3"), datetime.now(UTC)).verdict is Verdict.UNKNOWN


def test_the_certificates_of_other_names_count_too(authority: Authority, right: dict[str, bytes]) -> None:
    with served(site(GOOD), right) as nginx, served(site(GOOD), authority.self_signed("own")) as other:
        url, names = f"https://localhost:{nginx.secure}/", (f"localhost:{other.secure}", f"localhost:{free_port()}")
        check = EdgeCheck(HttpEdge(str(authority.root)), SystemClock(), Threads(), url, names=names)
        by_name = {each.name: each for each in check(SHOP, 20)}
    assert by_name["certificate at 127.0.0.1"].verdict is Verdict.PASS
    assert "self-signed" in str(by_name[f"certificate of {names[0]} at 127.0.0.1"].text)
    assert by_name[f"certificate of {names[1]} at 127.0.0.1"].verdict is Verdict.FAIL


def test_a_certificate_that_ends_soon_is_found(authority: Authority) -> None:
    with served(site(GOOD), authority.server("soon", days=7, age=83)) as nginx:
        (shown,) = HttpEdge(str(authority.root)).certificates("localhost", nginx.secure, 5)
        assert certificate(shown, datetime.now(UTC)).verdict is Verdict.FAIL


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("life", "left", "verdict"),
    [(90, 22, Verdict.PASS), (90, 20, Verdict.FAIL), (47, 13, Verdict.PASS), (47, 11, Verdict.FAIL),
     (6, 2, Verdict.PASS), (6, 1, Verdict.FAIL), (398, 20, Verdict.FAIL), (90, -1, Verdict.FAIL)],
)  # fmt: skip
def test_a_certificate_is_old_when_a_quarter_of_its_life_is_left(life: int, left: int, verdict: Verdict) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    shown = Shown("192.0.2.1", now + left * DAY, "TLSv1.3", "", now + (left - life) * DAY, "ab")
    finding = certificate(shown, now)
    assert finding.verdict is verdict
    assert ("was not renewed, or the proxy was not reloaded" in str(finding.text)) is (verdict is Verdict.FAIL)


@pytest.mark.parametrize(
    ("served", "filed", "verdict", "why"),
    [
        ((1, "aa"), (1, "aa"), Verdict.PASS, "the certificate of the file"),
        ((1, "aa"), (2, "bb"), Verdict.FAIL, "reload the proxy"),
        ((2, "bb"), (1, "aa"), Verdict.FAIL, "another certificate"),
        ((1, ""), (1, "aa"), Verdict.UNKNOWN, "not known"),
    ],
)
def test_what_is_served_is_compared_with_the_file(
    served: tuple[int, str], filed: tuple[int, str], verdict: Verdict, why: str
) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    shown = Shown("192.0.2.1", now + 80 * DAY, "", "", now + served[0] * DAY, served[1])
    finding = loaded(shown, Filed(now + filed[0] * DAY, now + 90 * DAY, filed[1]))
    assert (finding.verdict, why in str(finding.text)) == (verdict, True)


def test_one_that_ended_while_a_newer_one_waits_on_the_disk_says_both(
    authority: Authority, right: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "new.pem").write_bytes(right["server.pem"])
    with served(site(GOOD), authority.server("ended", over=True)) as nginx:
        shown = HttpEdge(str(authority.root)).certificates("localhost", nginx.secure, 5)
        found_ = list(certificates(shown, PemFile(str(tmp_path / "new.pem")), datetime.now(UTC)))
    assert [each.verdict for each in found_] == [Verdict.FAIL, Verdict.FAIL]
    assert "expired" in str(found_[0].text)
    assert "still serves the one from 2020-01-01" in str(found_[1].text)


def test_a_certificate_that_was_renewed_on_disk_and_not_loaded_is_the_old_one(
    authority: Authority, right: dict[str, bytes]
) -> None:
    with served(site(GOOD), authority.server("old", days=7, age=83)) as nginx:
        for name, content in right.items():
            (nginx.folder / name).write_bytes(content)
        (shown,) = HttpEdge(str(authority.root)).certificates("localhost", nginx.secure, 5)
        assert certificate(shown, datetime.now(UTC)).verdict is Verdict.FAIL


def test_who_does_not_answer_is_not_well(authority: Authority) -> None:
    url = f"https://localhost:{free_port()}/"
    (finding, *rest) = EdgeCheck(HttpEdge(str(authority.root)), SystemClock(), Threads(), url)(SHOP, 5)
    assert (finding.name, finding.verdict) == ("address", Verdict.FAIL)
    assert all(each.verdict is not Verdict.PASS for each in rest)


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
