"""Origins: whose pages may read the answers of an address, and send it more than forms.

- Every allowed origin may; ten that look like one may not. What a browser asks first (a preflight) is asked too.
- Decided as browsers decide it (Fetch, 3.2): one header that says exactly this origin, or `*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from handlers.checks.transport import SOURCE
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import Answer
from handlers.core.words.text import Code, Text

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def lets(origin: str, answer: Answer) -> bool:
    """Whether pages of that origin may read the answer, as browsers decide it."""
    given = answer.all("access-control-allow-origin")
    return len(given) == 1 and given[0].strip() in {origin, "*"}


def allowed(origin: str, answer: Answer | None) -> Finding:
    """One of ALLOWED_ORIGINS. None: there was no answer."""
    name = f"origin {origin}"
    if answer is None:
        return unknown(name, Text("{origin} got no answer.", origin=Code(origin)), source=SOURCE)
    given = answer.one("access-control-allow-origin")
    if given.strip() == "*":
        return failed(name, Text("Every page may read answers: the allowed origin is *."), value="*", limit=origin,
                      source=SOURCE)  # fmt: skip
    if lets(origin, answer):
        return passed(name, Text("{origin} may read answers.", origin=Code(origin)), value=given, source=SOURCE)
    text = Text("{origin} is allowed, and may read nothing.", origin=Code(origin))
    return failed(name, text, value=given or "nothing", limit=origin, source=SOURCE)


def preflight(origin: str, answer: Answer | None) -> Finding:
    """One of ALLOWED_ORIGINS, asked before a request that is not simple. None: there was no answer."""
    name = f"preflight of {origin}"
    if answer is None:
        return unknown(name, Text("The preflight of {origin} got no answer.", origin=Code(origin)), source=SOURCE)
    if lets(origin, answer) and 200 <= answer.status < 300:
        text = Text("Pages of {origin} may send more than forms.", origin=Code(origin))
        return passed(name, text, value=str(answer.status), limit="2xx", source=SOURCE)
    text = Text("{origin} is allowed, but its preflight is not: it cannot send JSON or a token.", origin=Code(origin))
    return failed(name, text, value=str(answer.status), limit="2xx", source=SOURCE)


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


def judged_forged(tried: Sequence[str], answers: Mapping[str, Answer | None], name: str = "forged origins") -> Finding:
    """All forged origins as one finding. None: there was no answer."""
    bad = [origin for origin in tried if (answer := answers[origin]) is not None and lets(origin, answer)]
    unsure = sum(1 for origin in tried if answers[origin] is None)
    if bad:
        text = Text("Pages from {origin} may read answers.", origin=Code(bad[0]))
        return failed(name, text, value=str(len(bad)), limit="0", source=SOURCE)
    if unsure:
        return unknown(name, Text("{count} forged origins got no answer.", count=unsure), source=SOURCE)
    text = Text("{count} forged origins may read nothing.", count=len(tried))
    return passed(name, text, value="0", limit="0", source=SOURCE)
