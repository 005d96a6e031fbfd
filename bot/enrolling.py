"""The page on which a person sets up their second factor. Everything it decides is decided by Enrolments.

- `GET` shows an empty form, whatever the address says after `/enrol/`, and changes nothing: a chat's preview, a scanner
  or a second look cost nothing and learn nothing.
- Strict: no script, no address of anybody else, no cookie, never stored, never framed, no referrer. A seed and the
  recovery codes are in one answer each, once, and nowhere else: not in a log, an address or an error.
- Behind TLS: a proxy of the team's speaks it (BOT_URL must be https, but on this machine).
- In the tongue that the link asks for (`?in=fa`): Slack, which knows the person, writes it there, and the page asks
  about nobody. A form is posted to the address it came from, so the tongue stays until the end.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import parse_qs

from bot import languages
from handlers.core.door.enrolments import Bound, LinkOver
from handlers.core.words.cards import TONGUE
from handlers.core.words.errors import Problem, Refusal
from handlers.core.words.text import Text
from handlers.core.words.tongues import Tongue

MOST_BYTES = 4096
PATH = re.compile(r"/enrol/([a-z2-7]{32})")
_LENGTH = re.compile(r"[0-9]{1,5}")
_IN = re.compile(rf"{TONGUE}=([a-z]{{2}})")
NOTHING, UNREAD = Text("There is nothing here"), Text("That could not be read")
STYLE = (
    "body{font:17px/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;"
    "background:#fff}h1{font-size:1.4rem}label{display:block;margin:1rem 0 .3rem}input{font:inherit;padding:.5rem;"
    "width:100%;box-sizing:border-box;border:1px solid #767b82;border-radius:4px}button{font:inherit;margin-top:1rem;"
    "padding:.5rem 1.2rem;border:0;border-radius:4px;background:#0b5cad;color:#fff}"
    ".said{border-inline-start:4px solid #a4262c;padding:.2rem .8rem}"
    "code{font-size:1.1rem;word-spacing:.2rem}svg{max-width:100%;height:auto}"
)
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
    ("X-Robots-Tag", "noindex"),
]

Start = Callable[..., Any]


class Enrolments(Protocol):
    """What of the enrolments the page needs; see handlers.core.enrolments."""

    def bind(self, token: str, typed: str) -> Bound:
        """See there."""

    def prove(self, token: str, key: str, typed: str) -> Bound:
        """See there."""

    def finish(self, token: str, key: str, first: str, second: str) -> tuple[str, ...]:
        """See there."""


class EnrolPage:
    """A WSGI application for every address under `/enrol/`."""

    def __init__(self, enrolments: Enrolments) -> None:
        self._enrolments = enrolments

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """One request."""
        method, match = environ.get("REQUEST_METHOD", ""), PATH.fullmatch(str(environ.get("PATH_INFO", "")))
        page = Page(start, _tongue(environ))
        if match is None:
            return page.answer("404 Not Found", NOTHING)
        if method in {"GET", "HEAD"}:
            return page.answer("200 OK", Text("Set up your second factor"), page.binding())
        if method != "POST":
            return page.answer("405 Method Not Allowed", NOTHING, "", ("Allow", "GET, HEAD, POST"))
        typed = _typed(environ)
        if typed is None:
            return page.answer("400 Bad Request", UNREAD)
        return self._answered(page, match[1], typed)

    def _answered(self, page: Page, token: str, typed: dict[str, str]) -> Iterable[bytes]:
        step, key = typed.get("step", ""), typed.get("key", "")
        try:
            match step:
                case "bind":
                    return page.shown(self._enrolments.bind(token, typed.get("code", "")))
                case "prove":
                    return page.shown(self._enrolments.prove(token, key, typed.get("code", "")))
                case "codes":
                    first, second = typed.get("first", ""), typed.get("second", "")
                    recovery = self._enrolments.finish(token, key, first, second)
                    return page.answer("200 OK", Text("Almost done"), page.done(recovery))
                case _:
                    return page.answer("400 Bad Request", UNREAD)
        except LinkOver as over:
            return page.answer("410 Gone", Text("This page is over"), page.warned(over))
        except Refusal as refusal:
            again = {"bind": page.binding(), "prove": page.proving(key), "codes": page.codes(key)}[step]
            return page.answer("403 Forbidden", Text("Not yet"), page.warned(refusal) + again)
        except Problem as problem:
            return page.answer("503 Service Unavailable", Text("That did not work"), page.warned(problem))


class Page:
    """One answer, in a tongue."""

    def __init__(self, start: Start, tongue: Tongue) -> None:
        self._start = start
        self._tongue = tongue

    def shown(self, bound: Bound) -> Iterable[bytes]:
        """The seed, or the question for the factor before."""
        if bound.fresh is None:
            return self.answer("200 OK", Text("First the factor you have"), self.proving(bound.key))
        import segno  # imported only where it is used

        seed = bound.fresh.seed
        spelled = " ".join(seed[at : at + 4] for at in range(0, len(seed), 4))
        picture = segno.make(bound.fresh.uri, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff")
        scan = Text("Scan this with your authenticator app. It is shown once: do not leave or reload this page.")
        body = f"<p>{self._said(scan)}</p>{picture}<p>{self._said(Text('Or type this key:'))} {_code(spelled)}</p>"
        return self.answer("200 OK", Text("Your second factor"), body + self.codes(bound.key))

    def binding(self) -> str:
        """The question for the binding code."""
        return self._form("bind", "", self._field("code", Text("The binding code that Slack shows you"), "off"))

    def proving(self, key: str) -> str:
        """The question for the factor before."""
        label = Text("A code of your present app, or a recovery code")
        return self._form("prove", key, self._field("code", label, "one-time-code"))

    def codes(self, key: str) -> str:
        """The question for two codes of the new one."""
        fields = self._field("first", Text("The code the app shows now"), "one-time-code")
        return self._form(
            "codes", key, fields + self._field("second", Text("The next code, in up to 30 seconds"), "off")
        )

    def done(self, codes: tuple[str, ...]) -> str:
        """What is left to do, and the recovery codes."""
        words = Text(
            "It counts when somebody else lets it in: they were told. Keep these recovery codes where the phone is "
            "not, on paper for example. Each works once, for one thing only: to set up another factor when this one "
            "is lost. They are shown once."
        )
        return f"<p>{self._said(words)}</p><ol>{''.join(f'<li>{_code(code)}</li>' for code in codes)}</ol>"

    def warned(self, problem: Problem) -> str:
        """What is wrong."""
        return f'<p class="said" role="alert">{self._said(problem.text)}</p>'

    def answer(self, status: str, title: Text, body: str = "", *more: tuple[str, str]) -> Iterable[bytes]:
        """The whole page, and its headers."""
        said, code = self._said(title), self._tongue.code
        direction = ' dir="rtl"' if self._tongue.leftward else ""
        page = (
            f'<!doctype html><html lang="{code}"{direction}><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{said}</title><style>{STYLE}</style></head>'
            f"<body><main><h1>{said}</h1>{body}</main></body></html>"
        ).encode()
        self._start(status, [*HEADERS, ("Content-Length", str(len(page))), *more])
        return [page]

    def _field(self, name: str, label: Text, complete: str) -> str:
        return (
            f'<label for="{name}">{self._said(label)}</label><input id="{name}" name="{name}" dir="ltr" required '
            f'maxlength="40" autocomplete="{complete}" spellcheck="false">'
        )

    def _form(self, step: str, key: str, fields: str) -> str:
        hidden = f'<input type="hidden" name="step" value="{step}">'
        if key:
            hidden += f'<input type="hidden" name="key" value="{html.escape(key)}">'
        go = f"<button>{self._said(Text('Go on'))}</button>"
        return f'<form method="post" autocomplete="off">{hidden}{fields}{go}</form>'

    def _said(self, text: Text) -> str:
        return html.escape(str(self._tongue.said(text)))


def _tongue(environ: dict[str, Any]) -> Tongue:
    """English for what the link does not say, or nobody speaks."""
    match = _IN.fullmatch(str(environ.get("QUERY_STRING", "")))
    return languages.tongue(match[1] if match else "")


def _code(spelled: str) -> str:
    return f'<code dir="ltr">{html.escape(spelled)}</code>'


def _typed(environ: dict[str, Any]) -> dict[str, str] | None:
    """What was typed; None for what is no small form."""
    length = str(environ.get("CONTENT_LENGTH") or "0")
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if not _LENGTH.fullmatch(length) or int(length) > MOST_BYTES or kind != "application/x-www-form-urlencoded":
        return None
    try:
        fields = parse_qs(environ["wsgi.input"].read(int(length)).decode("ascii"), max_num_fields=10, errors="strict")
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}
