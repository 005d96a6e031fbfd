"""The edge: what the public address shows to whoever comes from outside.

- Redirect, HSTS, framing, Content-Security-Policy, cookies, banners, certificate on every address, old TLS, CORS.
- The thresholds are those of MDN's HTTP Observatory (HSTS six months, 15,552,000 s; frame-ancestors counts).
- A header on plain HTTP or under a certificate that is not believed counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from handlers.core.answers import TargetName
from handlers.core.errors import OutsideError
from handlers.core.findings import Finding, failed, passed, unknown
from handlers.core.ports import Clock
from handlers.core.text import Code, Text, spelled_time
from handlers.core.vitals import Answer, Edge, Shown

HSTS_SECONDS = 15_552_000
CERTIFICATE_DAYS = 21
OLD_TLS = ("TLSv1", "TLSv1.1")
SOURCE = "the address itself"
_BANNER = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class EdgeCheck:
    """See the module. `url`: the public address; `origins`: those that may read across origins."""

    edge: Edge
    clock: Clock
    url: str
    origins: Sequence[str] = ()

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises OutsideError when the address could not be asked at all."""
        each = seconds / (8 + 2 * len(self.origins))
        answer = self.edge.ask(self.url, {}, each)
        if not answer.status:
            return (failed("address", Text("{url} does not answer: {why}.", url=self.url, why=answer.why)),)
        secure = urlsplit(self.url).scheme == "https"
        found = [*headers(answer, secure=secure), *cookies(answer), *self._wire(each)]
        return (*found, *self._cors(each))

    def _wire(self, seconds: float) -> Iterator[Finding]:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme != "https":
            yield failed("HTTPS", Text("PUBLIC_URL is plain HTTP: anybody on the way can read and change it."))
            return
        plain = f"http://{host}/" if parts.port in {None, 443} else ""
        if plain:
            yield self._guarded("redirect", lambda: redirect(self.edge.ask(plain, {}, seconds), host))
        port = parts.port or 443
        try:
            shown = self.edge.certificates(host, port, seconds)
            yield from (certificate(each, self.clock.now()) for each in shown)
        except OutsideError as error:
            yield unknown("certificate", error.text, source=SOURCE)
        for version in OLD_TLS:
            yield self._guarded(version, partial(self._speaks, host, port, version, seconds))

    def _guarded(self, name: str, look: Callable[[], Finding]) -> Finding:
        try:
            return look()
        except OutsideError as error:
            return unknown(name, error.text, source=SOURCE)

    def _speaks(self, host: str, port: int, version: str, seconds: float) -> Finding:
        return _old(version, self.edge.speaks(host, port, version, seconds))

    def _allows(self, origin: str, seconds: float) -> Finding:
        return allowed(origin, self.edge.ask(self.url, {"Origin": origin}, seconds))

    def _cors(self, seconds: float) -> Iterator[Finding]:
        if not self.origins:
            return
        for origin in self.origins:
            yield self._guarded(f"origin {origin}", partial(self._allows, origin, seconds))
        bad, unsure = [], 0
        tried = forged(self.origins)
        for origin in tried:
            try:
                if lets(origin, self.edge.ask(self.url, {"Origin": origin}, seconds / 4)):
                    bad.append(origin)
            except OutsideError:
                unsure += 1
        if bad:
            text = Text("Pages from {origin} may read answers.", origin=Code(bad[0]))
            yield failed("forged origins", text, value=str(len(bad)), limit="0", source=SOURCE)
        elif unsure:
            yield unknown("forged origins", Text("{count} forged origins got no answer.", count=unsure), source=SOURCE)
        else:
            yield passed("forged origins", Text("{count} forged origins may read nothing.", count=len(tried)),
                         value="0", limit="0", source=SOURCE)  # fmt: skip


def headers(answer: Answer, *, secure: bool) -> Iterable[Finding]:
    """What the headers of the answer promise."""
    yield _hsts(answer.one("strict-transport-security"), secure=secure)
    policy = _directives(answer.one("content-security-policy"))
    yield _framing(answer.one("x-frame-options"), policy)
    yield _policy(policy)
    yield _sniffing(answer.one("x-content-type-options"))
    for name in ("server", "x-powered-by"):
        said = answer.one(name)
        if _BANNER.search(said):
            text = Text("{name} tells the version: {said}.", name=name, said=Code(said[:80]))
            yield failed(f"banner {name}", text, value=said[:80], limit="no version", source=SOURCE)


def _hsts(value: str, *, secure: bool) -> Finding:
    name, limit = "HSTS", f"{HSTS_SECONDS // 86_400} days"
    match = re.search(r"(?i)(?:^|;)\s*max-age\s*=\s*\"?(\d{1,12})", value)
    if not value or not secure:
        return failed(name, Text("There is no Strict-Transport-Security: the first visit can be kept on plain HTTP."),
                      limit=limit, source=SOURCE)  # fmt: skip
    age = int(match[1]) if match else 0
    if age < HSTS_SECONDS:
        return failed(name, Text("Strict-Transport-Security lasts {days} days.", days=age // 86_400),
                      value=f"{age // 86_400} days", limit=limit, source=SOURCE)  # fmt: skip
    return passed(name, Text("Strict-Transport-Security lasts {days} days.", days=age // 86_400),
                  value=f"{age // 86_400} days", limit=limit, source=SOURCE)  # fmt: skip


def _directives(value: str) -> dict[str, tuple[str, ...]]:
    """Of a Content-Security-Policy; of one that is named twice, the first counts (W3C CSP 3, 2.2.1)."""
    found: dict[str, tuple[str, ...]] = {}
    for part in value.split(";"):
        words = part.split()
        if words:
            found.setdefault(words[0].lower(), tuple(words[1:]))
    return found


def _framing(value: str, policy: dict[str, tuple[str, ...]]) -> Finding:
    name = "framing"
    ancestors = policy.get("frame-ancestors")
    if ancestors is not None and "*" not in ancestors and not any(each.endswith(":") for each in ancestors):
        return passed(name, Text("frame-ancestors says who may frame it."), value=" ".join(ancestors), source=SOURCE)
    if ancestors is None and value.strip().lower() in {"deny", "sameorigin"}:
        return passed(name, Text("X-Frame-Options says who may frame it."), value=value, source=SOURCE)
    return failed(name, Text("Any page may put it into a frame."), value=value or " ".join(ancestors or ()),
                  limit="DENY or SAMEORIGIN", source=SOURCE)  # fmt: skip


def _policy(policy: dict[str, tuple[str, ...]]) -> Finding:
    name = "Content-Security-Policy"
    if not policy:
        return failed(name, Text("There is no Content-Security-Policy."), source=SOURCE)
    scripts = policy.get("script-src", policy.get("default-src"))
    if scripts is None:
        return failed(name, Text("The Content-Security-Policy says nothing about scripts."), source=SOURCE)
    lax = {"*", "http:", "https:", "data:", "'unsafe-inline'", "'unsafe-eval'"} & {each.lower() for each in scripts}
    if "'unsafe-inline'" in lax and any(each.startswith(("'nonce-", "'sha")) for each in scripts):
        lax -= {"'unsafe-inline'"}  # browsers then pass it over (CSP 3, 6.7.3.2)
    if lax:
        text = Text("The Content-Security-Policy lets scripts come from {where}.", where=Code(" ".join(sorted(lax))))
        return failed(name, text, value=" ".join(scripts), source=SOURCE)
    return passed(name, Text("The Content-Security-Policy names where scripts come from."), value=" ".join(scripts),
                  source=SOURCE)  # fmt: skip


def _sniffing(value: str) -> Finding:
    name = "X-Content-Type-Options"
    if value.strip().lower() == "nosniff":
        return passed(name, Text("Browsers do not guess types."), value=value, source=SOURCE)
    return failed(
        name, Text("Browsers may guess types: nosniff is missing."), value=value, limit="nosniff", source=SOURCE
    )


def cookies(answer: Answer) -> Iterator[Finding]:
    """Each cookie that the answer sets."""
    for given in answer.all("set-cookie"):
        parts = [part.strip() for part in given.split(";")]
        name = parts[0].partition("=")[0][:60]
        words = {part.partition("=")[0].lower(): part.partition("=")[2].lower() for part in parts[1:]}
        missing = [each for each, key in (("Secure", "secure"), ("HttpOnly", "httponly")) if key not in words]
        if words.get("samesite") not in {"lax", "strict", "none"}:
            missing.append("SameSite")
        if missing:
            text = Text("The cookie {name} is without {what}.", name=Code(name), what=", ".join(missing))
            yield failed(f"cookie {name}", text, value=", ".join(missing), source=SOURCE)
        else:
            yield passed(f"cookie {name}", Text("The cookie {name} is kept well.", name=Code(name)), source=SOURCE)


def redirect(answer: Answer, host: str) -> Finding:
    """From plain HTTP to HTTPS on the same host, at once."""
    name = "redirect"
    if not answer.status:
        return passed(name, Text("Port 80 is closed."), value=answer.why, source=SOURCE)
    where = urlsplit(answer.one("location"))
    if answer.status not in {301, 302, 303, 307, 308}:
        return failed(name, Text("Plain HTTP answers {status} instead of a redirect.", status=str(answer.status)),
                      value=str(answer.status), limit="301", source=SOURCE)  # fmt: skip
    if where.scheme != "https" or where.hostname != host:
        text = Text("Plain HTTP redirects to {where}, not to HTTPS on the same host.", where=Code(where.geturl()[:100]))
        return failed(name, text, value=where.geturl()[:100], limit=f"https://{host}", source=SOURCE)
    return passed(name, Text("Plain HTTP redirects to HTTPS."), value=str(answer.status), source=SOURCE)


def certificate(shown: Shown, now: datetime) -> Finding:
    """As one address serves it."""
    name = f"certificate at {shown.address}"
    if shown.why:
        text = Text("The certificate at {address} is not believed: {why}.", address=shown.address, why=shown.why)
        return failed(name, text, value=shown.why, source=SOURCE)
    if shown.until is None:
        text = Text("Until when the certificate at {address} is good is not known.", address=shown.address)
        return unknown(name, text, source=SOURCE)
    days = (shown.until - now).days
    made = passed if days >= CERTIFICATE_DAYS else failed
    text = Text("The certificate at {address} is good for {days} days.", address=shown.address, days=days)
    return made(name, text, value=spelled_time(shown.until), limit=f"{CERTIFICATE_DAYS} days", source=SOURCE)


def _old(version: str, speaks: bool | None) -> Finding:
    if speaks is None:
        return unknown(
            version, Text("Whether it speaks {version}: it could not be tried.", version=version), source=SOURCE
        )
    if speaks:
        return failed(
            version, Text("It still speaks {version}.", version=version), value="yes", limit="no", source=SOURCE
        )
    return passed(version, Text("It does not speak {version}.", version=version), value="no", limit="no", source=SOURCE)


def lets(origin: str, answer: Answer) -> bool:
    """Whether pages of that origin may read the answer, as browsers decide it."""
    given = answer.all("access-control-allow-origin")
    return len(given) == 1 and given[0].strip() in {origin, "*"}


def allowed(origin: str, answer: Answer) -> Finding:
    """One of ALLOWED_ORIGINS."""
    name = f"origin {origin}"
    given = answer.one("access-control-allow-origin")
    if given.strip() == "*":
        return failed(name, Text("Every page may read answers: the allowed origin is *."), value="*", limit=origin,
                      source=SOURCE)  # fmt: skip
    if lets(origin, answer):
        return passed(name, Text("{origin} may read answers.", origin=Code(origin)), value=given, source=SOURCE)
    text = Text("{origin} is allowed, and may read nothing.", origin=Code(origin))
    return failed(name, text, value=given or "nothing", limit=origin, source=SOURCE)


def forged(origins: Sequence[str]) -> tuple[str, ...]:
    """Ten origins that look like an allowed one and are none."""
    parts = urlsplit(origins[0])
    host = parts.hostname or "example.com"
    port = f":{parts.port}" if parts.port else ""
    found = (
        "null",
        "https://evil.example",
        f"https://{host}.evil.example",
        f"https://evil{host}{port}",
        f"https://evil-{host}{port}",
        f"{'http' if parts.scheme == 'https' else 'https'}://{host}{port}",
        f"{parts.scheme}://{host}:{(parts.port or 443) + 1}",
        f"{parts.scheme}://{host}.{port}",
        f"{parts.scheme}://evil.example#{host}",
        f"{parts.scheme}://{host.replace('.', 'x', 1)}{port}" if "." in host else f"{parts.scheme}://{host}x{port}",
    )
    return tuple(each for each in found if each not in origins)
