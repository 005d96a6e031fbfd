"""Certificates as every address serves them, and whether what was renewed is served.

- One that is not believed fails, with the reason of the system's TLS.
- It should be renewed while a third of its life is left (certbot: 30 days of 90). Below 21 days, or a quarter of a life
  that is shorter than 84 days, it fails: it was not renewed, or it was and the proxy has not loaded it.
- With EDGE_CERTIFICATE, the file that the proxy serves from, the two are told apart: an address that serves an older
  one than the file holds fails as not loaded, however long the old one is still good. A file that cannot be read is
  UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import CertificateFile, Filed, Shown
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Seconds, Text, spelled_seconds, spelled_time

LEFT, LEFT_SHARE = timedelta(days=21), 0.25
SOURCE, FILE_SOURCE = "the address itself", "EDGE_CERTIFICATE"


def certificates(
    shown: Sequence[Shown], file: CertificateFile | None, now: datetime, of: str = ""
) -> Iterator[Finding]:
    """Every address. `of`: another name than the public address's. Raises nothing."""
    for each in shown:
        finding = certificate(each, now)
        yield replace(finding, name=f"certificate of {of} at {each.address}") if of else finding
    if file is None:
        return
    try:
        filed = file.read()
    except OutsideError as error:
        yield unknown("certificate file", error.text, source=FILE_SOURCE)
        return
    yield from (loaded(each, filed) for each in shown)


def certificate(shown: Shown, now: datetime) -> Finding:
    """As one address serves it."""
    name = f"certificate at {shown.address}"
    if shown.why:
        text = Text("The certificate at {address} is not believed: {why}.", address=shown.address, why=shown.why)
        return failed(name, text, value=shown.why, source=SOURCE)
    if shown.until is None:
        text = Text("Until when the certificate at {address} is good is not known.", address=shown.address)
        return unknown(name, text, source=SOURCE)
    left, least = shown.until - now, _least(shown.begins, shown.until)
    spelled, limit = spelled_time(shown.until), spelled_seconds(least.total_seconds())
    if left >= least:
        text = Text("The certificate at {address} is good for {left}.", address=shown.address,
                    left=Seconds(left.total_seconds()))  # fmt: skip
        return passed(name, text, value=spelled, limit=limit, source=SOURCE)
    text = Text(
        "The certificate at {address} is good for {left} only: it was not renewed, or the proxy was not reloaded.",
        address=shown.address,
        left=Seconds(max(0.0, left.total_seconds())),
    )
    return failed(name, text, value=spelled, limit=limit, source=SOURCE)


def _least(begins: datetime | None, until: datetime) -> timedelta:
    return LEFT if begins is None else min(LEFT, (until - begins) * LEFT_SHARE)


def loaded(shown: Shown, filed: Filed) -> Finding:
    """Whether an address serves what the file holds."""
    name = f"certificate loaded at {shown.address}"
    if not shown.fingerprint or shown.begins is None:
        text = Text("Which certificate {address} serves is not known.", address=shown.address)
        return unknown(name, text, source=FILE_SOURCE)
    value, limit = spelled_time(shown.begins), spelled_time(filed.begins)
    if shown.fingerprint == filed.fingerprint:
        text = Text("{address} serves the certificate of the file.", address=shown.address)
        return passed(name, text, value=value, limit=limit, source=FILE_SOURCE)
    if shown.begins < filed.begins:
        text = Text("Renewed, good from {new}, but {address} still serves the one from {old}: reload the proxy.",
                    new=filed.begins, address=shown.address, old=shown.begins)  # fmt: skip
    else:
        text = Text("{address} serves another certificate than EDGE_CERTIFICATE holds, and not an older one.",
                    address=shown.address)  # fmt: skip
    return failed(name, text, value=value, limit=limit, source=FILE_SOURCE)
