"""A public address looked at from outside: `/health edge` beside testssl.sh, in turns, before the same real nginx.

- One site is set up well, one offers TLS 1.0, 1.1 and ciphers without forward secrecy.
- testssl.sh looks at protocols, categories of ciphers, what the server prefers and the headers; not at old weaknesses.
- Both must say the same about versions and obsolete ciphers, else the bench fails: a wrong answer is not a fast one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.adapters.clock import SystemClock
from bot.adapters.edge import HttpEdge
from bot.examining import Threads
from handlers.checks.edge import EdgeCheck
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.words.answers import TargetName
from sandbox.parts import require
from sandbox.servers.certificates import Authority
from sandbox.servers.nginx import Nginx
from tests.bench.page import Section
from tests.bench.plots import Bars
from tests.bench.turns import faster, in_turns

ROUNDS = 5
OURS, PEER = "/health edge", "testssl.sh"
SITE = """
server_tokens off;
server {{ listen 127.0.0.1:{{port}}; return 301 https://localhost$request_uri; }}
server {{
    listen 127.0.0.1:{{secure}} ssl;
    ssl_certificate {{folder}}/server.pem;
    ssl_certificate_key {{folder}}/server.key;
    ssl_protocols {protocols};
    ssl_ciphers {ciphers};
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
    add_header X-Frame-Options DENY always;
    add_header X-Content-Type-Options nosniff always;
    add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
    location / {{ return 200 "ok"; }}
}}
"""
SITES = {
    "set up well": SITE.format(protocols="TLSv1.2 TLSv1.3", ciphers="ECDHE+AESGCM:ECDHE+CHACHA20"),
    "old": SITE.format(protocols="TLSv1 TLSv1.1 TLSv1.2", ciphers="ECDHE+AESGCM:AES128-SHA:@SECLEVEL=0"),
}
VERSIONS = {"SSLv3": "SSLv3", "TLSv1": "TLS1", "TLSv1.1": "TLS1_1"}
"""What we call it, and what testssl.sh does."""
CIPHERS, OBSOLETE = ("ciphers", "forward secrecy"), "obsolete ciphers"
CATEGORIES = ("NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "AVERAGE")


class Differ(Exception):
    """The two sides do not say the same."""


def measure(rounds: int = ROUNDS) -> Section:
    """See the module. Raises Differ."""
    rows, measured, findings = list[tuple[str, ...]](), dict[str, list[float]](), list[str]()
    with tempfile.TemporaryDirectory() as place:
        authority = Authority(Path(place))
        for kind, site in SITES.items():
            with Nginx(site, authority.server("right")) as nginx:
                said: dict[str, Mapping[str, bool]] = {}
                times = in_turns(f"edge, {kind}", _sides(nginx.secure, authority, said), rounds)
            if said[OURS] != said[PEER]:
                raise Differ(f"{kind}: {said}")
            for side in (OURS, PEER):
                wrong = ", ".join(name for name, bad in said[side].items() if bad) or "nothing"
                seconds = f"{statistics.median(times[side]):.2f}"
                rows.append((kind, f"`{side}`", seconds, wrong, faster(times, PEER, side)))
                measured[f"{kind}, {side}"] = times[side]
            first, second = (statistics.median(times[side]) for side in (OURS, PEER))
            findings.append(f"{first:.2f} s and {second:.0f} s where it is {kind}")
    return Section(
        "edge",
        "A public address",
        f"**`/health edge` and testssl.sh say the same about versions of TLS and obsolete ciphers**, after "
        f"{'; '.join(findings)}.",
        ("site", "what", "seconds", "found wrong", "times as fast as testssl.sh"),
        tuple(rows),
        f"{rounds} rounds in turns after one to warm up; medians, and in brackets how far the rounds' ratios went. "
        "Ours asks what a person on call needs: the certificate, HSTS, framing, scripts, origins, versions, ciphers; "
        "testssl.sh (-p -s -P -h) names every cipher that it finds, and simulates more of them. The same nginx on this "
        "machine, so that no network is in it.",
        measured,
        {
            "edge": Bars(
                "A public address, looked at once",
                "seconds",
                measured,
                frozenset(name for name in measured if name.endswith(OURS)),
            )
        },
    )


def _sides(port: int, authority: Authority, said: dict[str, Mapping[str, bool]]) -> dict[str, Callable[[], float]]:
    check = EdgeCheck(HttpEdge(str(authority.root)), SystemClock(), Threads(), f"https://localhost:{port}/", ())

    def ours() -> float:
        begun = time.perf_counter()
        found = check(TargetName("shop"), 60)
        seconds = time.perf_counter() - begun
        said[OURS] = _ours(found)
        return seconds

    def theirs() -> float:
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "found.json"
            words = ["-p", "-s", "-P", "-h", "--quiet", "--warnings", "off", "--color", "0", "--ip", "127.0.0.1"]
            command = [str(require("testssl")), *words, "--jsonfile", str(file), f"localhost:{port}"]
            begun = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False, timeout=600)
            seconds = time.perf_counter() - begun
            said[PEER] = _theirs(file)
        return seconds

    return {OURS: ours, PEER: theirs}


def _ours(found: tuple[Finding, ...]) -> Mapping[str, bool]:
    """What is wrong, by its name. Raises Differ for what is not known."""
    by = {each.name: each.verdict for each in found}
    if any(by.get(name, Verdict.UNKNOWN) is Verdict.UNKNOWN for name in (*VERSIONS, *CIPHERS)):
        raise Differ(f"not known: {by}")
    wrong = {name: by[name] is Verdict.FAIL for name in VERSIONS}
    return wrong | {OBSOLETE: any(by[name] is Verdict.FAIL for name in CIPHERS)}


def _theirs(file: Path) -> Mapping[str, bool]:
    by = {each["id"]: each["finding"] for each in json.loads(file.read_text())}
    wrong = {ours: by[theirs] != "not offered" for ours, theirs in VERSIONS.items()}
    return wrong | {OBSOLETE: any(by[f"cipherlist_{each}"] != "not offered" for each in CATEGORIES)}
