"""Our verdicts on headers agree with the published scoring of MDN's HTTP Observatory on the same responses.

Each line: what is answered, the result that Observatory's analyzer gives (`src/analyzer/tests`), and its modifier
(`SCORE_TABLE` in `src/grader/charts.js`), read 2026-11 from github.com/mdn/mdn-http-observatory. What costs points must
fail here, and what costs none must pass. Where we are stricter on purpose, the reason stands in STRICTER.
"""

from __future__ import annotations

import pytest

from handlers.checks.edge import cookies, headers, redirect
from handlers.checks.origins import lets
from handlers.core.formats.evidence import Verdict
from handlers.core.health.vitals import Answer

CSP, HSTS, XFO, XCTO = (
    "content-security-policy", "strict-transport-security", "x-frame-options", "x-content-type-options",
)  # fmt: skip
NAMES = {CSP: "Content-Security-Policy", HSTS: "HSTS", XFO: "framing", XCTO: "X-Content-Type-Options"}
SIX = "max-age=15552000"

SCORED = [
    (CSP, (), "csp-not-implemented", -25),
    (CSP, ("default-src 'none'",), "csp-implemented-with-no-unsafe-default-src-none", 10),
    (CSP, ("default-src 'none'; script-src 'self'",), "csp-implemented-with-no-unsafe-default-src-none", 10),
    (CSP, ("default-src 'self'",), "csp-implemented-with-no-unsafe", 5),
    (CSP, ("default-src 'self' https://cdn.example",), "csp-implemented-with-no-unsafe", 5),
    (CSP, ("default-src 'self'; script-src 'nonce-abc' 'unsafe-inline'",), "csp-implemented-with-no-unsafe", 5),
    (CSP, ("object-src 'none'; script-src 'nonce-abc' 'strict-dynamic' https: 'unsafe-inline'",),
     "csp-implemented-with-no-unsafe", 5),
    (CSP, ("default-src 'self'; style-src 'self' 'unsafe-inline'",),
     "csp-implemented-with-unsafe-inline-in-style-src-only", 0),
    (CSP, ("default-src 'none'; style-src data:",), "csp-implemented-with-unsafe-inline-in-style-src-only", 0),
    (CSP, ("default-src 'self'; img-src http:",), "csp-implemented-with-insecure-scheme-in-passive-content-only", -10),
    (CSP, ("default-src 'none'; script-src 'self' 'unsafe-eval'",), "csp-implemented-with-unsafe-eval", -10),
    (CSP, ("default-src 'self'; style-src 'unsafe-eval'",), "csp-implemented-with-unsafe-eval", -10),
    (CSP, ("default-src 'self' 'unsafe-inline'",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("default-src *",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("default-src https:",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("default-src 'self'; script-src 'self' data:",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("script-src 'self'",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("upgrade-insecure-requests",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("img-src 'self'; object-src 'none'",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("default-src 'self'; object-src https:",), "csp-implemented-with-unsafe-inline", -20),
    (CSP, ("default-src 'self'; script-src http://cdn.example",), "csp-implemented-with-insecure-scheme", -20),
    (CSP, ("default-src 'self'; connect-src http://api.example",), "csp-implemented-with-insecure-scheme", -20),
    (CSP, ("default-src 'self'; script-src 'strict-dynamic' 'self'",), "csp-header-invalid", -25),
    (HSTS, (), "hsts-not-implemented", -20),
    (HSTS, (SIX,), "hsts-implemented-max-age-at-least-six-months", 0),
    (HSTS, ("max-age=63072000; includeSubDomains; preload",), "hsts-implemented-max-age-at-least-six-months", 0),
    (HSTS, ("includeSubDomains; max-age=31536000",), "hsts-implemented-max-age-at-least-six-months", 0),
    (HSTS, ("max-age=15551999",), "hsts-implemented-max-age-less-than-six-months", -10),
    (HSTS, ("max-age=0",), "hsts-implemented-max-age-less-than-six-months", -10),
    (HSTS, ("includeSubDomains; preload",), "hsts-header-invalid", -20),
    (HSTS, (f"{SIX}, {SIX}",), "hsts-header-invalid", -20),
    (XFO, (), "x-frame-options-not-implemented", -20),
    (XFO, ("DENY",), "x-frame-options-sameorigin-or-deny", 0),
    (XFO, ("SAMEORIGIN ",), "x-frame-options-sameorigin-or-deny", 0),
    (XFO, ("SAMEORIGIN, SAMEORIGIN",), "x-frame-options-header-invalid", -20),
    (XFO, ("ALLOWALL",), "x-frame-options-header-invalid", -20),
    (XCTO, (), "x-content-type-options-not-implemented", -5),
    (XCTO, ("nosniff",), "x-content-type-options-nosniff", 0),
    (XCTO, ("NoSniff",), "x-content-type-options-nosniff", 0),
    (XCTO, ("sniff",), "x-content-type-options-header-invalid", -5),
]  # fmt: skip


def verdict(header: str, values: tuple[str, ...]) -> Verdict:
    found = headers(Answer(200, tuple((header, each) for each in values)), secure=True)
    return {each.name: each.verdict for each in found}[NAMES[header]]


@pytest.mark.parametrize(("header", "values", "result", "modifier"), SCORED)
def test_what_costs_points_there_fails_here_and_nothing_else(
    header: str, values: tuple[str, ...], result: str, modifier: int
) -> None:
    assert verdict(header, values) is (Verdict.FAIL if modifier < 0 else Verdict.PASS), result


def test_frame_ancestors_stand_for_x_frame_options() -> None:
    """x-frame-options-implemented-via-csp, 5."""
    found = headers(Answer(200, ((CSP, "default-src 'self'; frame-ancestors 'self'"),)), secure=True)
    assert {each.name: each.verdict for each in found}["framing"] is Verdict.PASS


REDIRECTS = [
    (Answer(301, (("location", "https://shop.example/"),)), "redirection-to-https", 0),
    (Answer(0, why="refused"), "redirection-not-needed-no-http", 0),
    (Answer(301, (("location", "https://www.shop.example/"),)), "redirection-off-host-from-http", -5),
    (Answer(302, (("location", "http://shop.example/en"),)), "redirection-not-to-https-on-initial-redirection", -10),
    (Answer(200), "redirection-missing", -20),
]


@pytest.mark.parametrize(("answer", "result", "modifier"), REDIRECTS)
def test_redirects_are_judged_alike(answer: Answer, result: str, modifier: int) -> None:
    assert redirect(answer, "shop.example").verdict is (Verdict.FAIL if modifier < 0 else Verdict.PASS), result


COOKIES = [
    ("session=1; Secure; HttpOnly; SameSite=Lax", "cookies-secure-with-httponly-sessions-and-samesite", 5),
    ("session=1; HttpOnly; SameSite=Lax", "cookies-session-without-secure-flag", -40),
    ("session=1; Secure; SameSite=Lax", "cookies-session-without-httponly-flag", -30),
    ("session=1; Secure; HttpOnly; SameSite=Perhaps", "cookies-samesite-flag-invalid", -20),
]


@pytest.mark.parametrize(("cookie", "result", "modifier"), COOKIES)
def test_cookies_are_judged_alike(cookie: str, result: str, modifier: int) -> None:
    (found,) = cookies(Answer(200, (("set-cookie", cookie),)))
    assert found.verdict is (Verdict.FAIL if modifier < 0 else Verdict.PASS), result


EVIL = "https://evil.example"
CORS = [
    ((), "cross-origin-resource-sharing-not-implemented", 0),
    ((("access-control-allow-origin", "https://shop.example"),),
     "cross-origin-resource-sharing-implemented-with-restricted-access", 0),
    ((("access-control-allow-origin", EVIL), ("access-control-allow-credentials", "true")),
     "cross-origin-resource-sharing-implemented-with-universal-access", -50),
]  # fmt: skip


@pytest.mark.parametrize(("given", "result", "modifier"), CORS)
def test_origins_are_judged_alike(given: tuple[tuple[str, str], ...], result: str, modifier: int) -> None:
    assert lets(EVIL, Answer(200, given)) is (modifier < 0), result


STRICTER = {
    "cross-origin-resource-sharing-implemented-with-public-access": (
        lets(EVIL, Answer(200, (("access-control-allow-origin", "*"),))),
        "ALLOWED_ORIGINS is a list, so an answer that everybody may read is not what was asked for",
    ),
    "an origin that is echoed without credentials": (
        lets(EVIL, Answer(200, (("access-control-allow-origin", EVIL),))),
        "the same",
    ),
    "x-frame-options-implemented-via-csp, of everybody": (
        {
            each.name: each.verdict
            for each in headers(Answer(200, ((CSP, "default-src 'self'; frame-ancestors *"),)), secure=True)
        }["framing"]
        is Verdict.FAIL,
        "there it counts that the directive is there, not what it says",
    ),
    "x-frame-options-allow-from-origin": (
        verdict(XFO, ("ALLOW-FROM https://a.example",)) is Verdict.FAIL,
        "no browser heeds ALLOW-FROM any more (developer.mozilla.org, X-Frame-Options)",
    ),
    "cookies-secure-with-httponly-sessions": (
        next(cookies(Answer(200, (("set-cookie", "session=1; Secure; HttpOnly"),)))).verdict is Verdict.FAIL,
        "what SameSite is not said, browsers choose, and not all the same",
    ),
}


@pytest.mark.parametrize("name", STRICTER)
def test_where_we_are_stricter_it_is_on_purpose(name: str) -> None:
    fails, reason = STRICTER[name]
    assert fails
    assert reason
