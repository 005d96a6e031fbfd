"""Certificates made by openssl: a root, one that is right, and several that are wrong in one way each."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path


class Authority:
    """A certificate authority in a folder; `root` is the file to believe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root.pem"
        _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 30 -subj /CN=Root "
                 "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign")  # fmt: skip
        self._issue("middle", "/CN=Middle", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")

    def server(
        self, name: str, host: str = "localhost", *, days: int = 90, over: bool = False, bits: int = 2048, age: int = 0
    ) -> dict[str, bytes]:
        """`server.pem` (with its chain) and `server.key` for the host. `over`: it ended in 2020; `bits`: of its key;
        `age`: for how many days it has been good, besides those that are left."""
        now = datetime.now(UTC)
        span = f"-days {days}"
        if over or age:
            begins, ends = now - timedelta(days=age), now + timedelta(days=days)
            span = "20200101000000Z 20200201000000Z" if over else f"{begins:%Y%m%d%H%M%SZ} {ends:%Y%m%d%H%M%SZ}"
        self._issue(name, f"/CN={host}", "middle", f"subjectAltName=DNS:{host}", span, bits)
        return self._files(name, chain=True)

    def without_chain(self, name: str, host: str = "localhost") -> dict[str, bytes]:
        """The intermediate is not sent."""
        self._issue(name, f"/CN={host}", "middle", f"subjectAltName=DNS:{host}")
        return self._files(name, chain=False)

    def self_signed(self, name: str, host: str = "localhost") -> dict[str, bytes]:
        """Nobody vouches for it."""
        _openssl(self._folder, f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 30 "
                 f"-subj /CN={host} -addext subjectAltName=DNS:{host}")  # fmt: skip
        return self._files(name, chain=False)

    def _files(self, name: str, *, chain: bool) -> dict[str, bytes]:
        own = (self._folder / f"{name}.pem").read_bytes()
        rest = (self._folder / "middle.pem").read_bytes() if chain else b""
        return {"server.pem": own + rest, "server.key": (self._folder / f"{name}.key").read_bytes()}

    def _issue(
        self, name: str, subject: str, by: str, extensions: str, span: str = "-days 30", bits: int = 2048
    ) -> None:
        (self._folder / f"{name}.ext").write_text(extensions)
        _openssl(self._folder, f"req -newkey rsa:{bits} -nodes -keyout {name}.key -out {name}.csr -subj {subject}")
        signing = f"x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -extfile {name}.ext"
        if span.startswith("-days"):
            _openssl(self._folder, f"{signing} -out {name}.pem {span}")
            return
        begins, ends = span.split()
        # `openssl x509` of 3.0 knows no dates; `openssl ca` does.
        (self._folder / "index.txt").write_text("")
        (self._folder / "serial").write_text("77")
        (self._folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=one\n[one]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
            "policy=any\n[any]\ncommonName=supplied\n"
        )
        _openssl(
            self._folder,
            f"ca -batch -config ca.conf -cert {by}.pem -keyfile {by}.key -in {name}.csr -out {name}.pem "
            f"-extfile {name}.ext -startdate {begins} -enddate {ends} -notext",
        )


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=60)
