"""The edge: what the public address shows to whoever comes from outside.

- Redirect, HSTS, framing, Content-Security-Policy, cookies, banners, CORS; TLS and ports are judged in `transport`,
  certificates in `certificates`.
- The thresholds are those of MDN's HTTP Observatory (HSTS six months, 15,552,000 s; frame-ancestors counts).
- A header on plain HTTP or under a certificate that is not believed counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from handlers.checks.certificates import certificates
from handlers.checks.origins import PREFLIGHT, allowed, forged, judged_forged, preflight
from handlers.checks.transport import SOURCE, Door, ports, transport
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import Answer, CertificateFile, Check, Edge, Examiner
from handlers.core.ports import Clock
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

HSTS_SECONDS = 15_552_000
OWN_SECONDS = 0.6
"""What is left for this check itself of the time it was given."""
_BANNER = re.compile(r"\d+\.\d+")
_BROAD = frozenset({"*", "http:", "https:", "ftp:", "http://*", "http://*.*", "https://*", "https://*.*"})


@dataclass(frozen=True, slots=True)
class EdgeCheck:
    """See the module. `url`: the public address; `origins`: those that may read across origins; `doors`: ports that
    must be open or closed from here; `file`: the certificate that should be served; `names`: others that
    are served there, or at a port of their own, whose certificates count too. What hangs in one part hides no
    other."""

    edge: Edge
    clock: Clock
    examiner: Examiner
    url: str
    origins: Sequence[str] = ()
    doors: Sequence[Door] = ()
    file: CertificateFile | None = None
    names: Sequence[str] = ()

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings; nothing is raised."""
        parts: dict[str, Check] = {"address": self._address, "redirect": self._redirect}
        if self._secure:
            parts |= {"certificate": self._certificates, "TLS": self._transport}
            parts |= {f"certificate of {each}": self._other(each) for each in self.names}
        if self.origins:
            parts |= {"CORS": self._cors, "preflight": self._preflights}
        if self.doors:
            parts |= {"ports": self._ports}
        found = self.examiner.examine(parts, target, max(0.5, seconds - OWN_SECONDS))
        return tuple(each for findings in found.values() for each in findings)

    @property
    def _secure(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def _host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def _port(self) -> int:
        return urlsplit(self.url).port or (443 if self._secure else 80)

    def _address(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        answer = self.edge.ask(self.url, {}, seconds)
        if not answer.status:
            return (failed("address", Text("{url} does not answer: {why}.", url=self.url, why=answer.why)),)
        return (*headers(answer, secure=self._secure), *cookies(answer))

    def _redirect(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        if not self._secure:
            return (failed("HTTPS", Text("PUBLIC_URL is plain HTTP: anybody on the way can read and change it.")),)
        if self._port != 443:
            text = Text("Whether plain HTTP is redirected is not known: PUBLIC_URL names a port of its own.")
            return (unknown("redirect", text, source=SOURCE),)
        return (redirect(self.edge.ask(f"http://{self._host}/", {}, seconds), self._host),)

    def _certificates(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        shown = self.edge.certificates(self._host, self._port, seconds)
        return tuple(certificates(shown, self.file, self.clock.now()))

    def _other(self, name: str) -> Check:
        host, _, port = name.partition(":")

        def check(target: TargetName, seconds: float) -> tuple[Finding, ...]:
            shown = self.edge.certificates(host, int(port or 443), seconds)
            return tuple(certificates(shown, None, self.clock.now(), of=name))

        return check

    def _transport(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        return tuple(transport(self.edge, self._host, self._port, seconds))

    def _ports(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        return tuple(ports(self.edge, self._host, self.doors, seconds))

    def _cors(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        tried = forged(self.origins)
        each = seconds / (len(self.origins) + len(tried))
        answers = {origin: self._said(origin, each) for origin in (*self.origins, *tried)}
        return (*(allowed(origin, answers[origin]) for origin in self.origins), judged_forged(tried, answers))

    def _preflights(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """What a browser asks before a page may send JSON or a token (Fetch, 3.2.2)."""
        tried = forged(self.origins)
        each = seconds / (len(self.origins) + len(tried))
        answers = {origin: self._said(origin, each, PREFLIGHT) for origin in (*self.origins, *tried)}
        found = (preflight(origin, answers[origin]) for origin in self.origins)
        return (*found, judged_forged(tried, answers, "forged preflights"))

    def _said(self, origin: str, seconds: float, more: Mapping[str, str] | None = None) -> Answer | None:
        try:
            method = "GET" if more is None else "OPTIONS"
            answer = self.edge.ask(self.url, {"Origin": origin, **(more or {})}, seconds, method)
        except OutsideError:
            return None
        return answer if answer.status else None


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
    if "," in value:
        text = Text("Strict-Transport-Security is sent twice: browsers heed one of them.")
        return failed(name, text, value=value[:80], limit=limit, source=SOURCE)
    age = int(match[1]) if match else 0
    made = passed if age >= HSTS_SECONDS else failed
    text = Text("Strict-Transport-Security lasts {days} days.", days=age // 86_400)
    return made(name, text, value=f"{age // 86_400} days", limit=limit, source=SOURCE)


def _directives(value: str) -> dict[str, tuple[str, ...]]:
    """Of a Content-Security-Policy; of one that is named twice, the first counts (W3C CSP 3, 2.2.1). Several policies
    stand with commas between; what only one of them names counts too."""
    found: dict[str, tuple[str, ...]] = {}
    for part in re.split("[;,]", value):
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
    lax = {each.lower() for each in scripts} & {*_BROAD, "data:", "'unsafe-inline'", "'unsafe-eval'"}
    trusted = any(each.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-")) for each in scripts)
    if trusted:
        lax -= {"'unsafe-inline'"}  # browsers then pass it over (CSP 3, 6.7.3.2)
    if "'strict-dynamic'" in scripts and not trusted:
        return failed(
            name, Text("The Content-Security-Policy has strict-dynamic without a nonce or hash."), source=SOURCE
        )
    if "'strict-dynamic'" in scripts:
        lax -= _BROAD  # and these too
    objects = policy.get("object-src", policy.get("default-src", ("*",)))
    styles = policy.get("style-src", policy.get("default-src", ()))
    if lax:
        text = Text("The Content-Security-Policy lets scripts come from {where}.", where=Code(" ".join(sorted(lax))))
        return failed(name, text, value=" ".join(scripts), source=SOURCE)
    if _BROAD & {each.lower() for each in objects}:
        text = Text("The Content-Security-Policy lets plug-ins come from anywhere: object-src is missing or broad.")
        return failed(name, text, value=" ".join(objects), source=SOURCE)
    plain = [each for words in policy.values() for each in words if each.lower().startswith(("http:", "ftp:"))]
    if plain or "'unsafe-eval'" in styles:
        text = Text("The Content-Security-Policy lets in {what}.", what=Code(" ".join(plain) or "'unsafe-eval'"))
        return failed(name, text, value=" ".join(plain), source=SOURCE)
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
