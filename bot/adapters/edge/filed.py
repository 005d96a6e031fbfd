"""Certificates as bytes: of a file, and of a handshake that did not believe in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificate

from handlers.core.health.vitals import Filed
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

MOST_BYTES = 256 * 1024


class PemFile:
    """The CertificateFile port."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self) -> Filed:
        """See the port."""
        try:
            with Path(self._path).open("rb") as file:
                return _filed(load_pem_x509_certificate(file.read(MOST_BYTES)))
        except OSError as error:
            why = error.strerror or "it cannot be read"
            raise OutsideError(Text("{path}: {why}", path=Code(self._path), why=why)) from error
        except ValueError as error:
            raise OutsideError(Text("{path} holds no certificate.", path=Code(self._path))) from error


def read_der(data: bytes) -> Filed:
    """Raises ValueError for what is no certificate."""
    return _filed(load_der_x509_certificate(data))


def _filed(found: Certificate) -> Filed:
    fingerprint = hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    return Filed(found.not_valid_before_utc, found.not_valid_after_utc, fingerprint)
