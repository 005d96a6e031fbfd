"""Certificates made by openssl: a root, one that is right, and several that are wrong in one way each."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """A certificate authority in a folder; `root` is the file to believe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "root.pem"
        _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 30 -subj /CN=Root "
                 "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign")  # fmt: skip
        self._issue("middle", "/CN=Middle", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign")

    def server(self, name: str, host: str = "localhost", *, days: int = 90, over: bool = False) -> dict[str, bytes]:
        """`server.pem` (with its chain) and `server.key` for the host. `over`: it ended yesterday."""
        span = "-not_before 20200101000000Z -not_after 20200201000000Z" if over else f"-days {days}"
        self._issue(name, f"/CN={host}", "middle", f"subjectAltName=DNS:{host}", span)
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

    def _issue(self, name: str, subject: str, by: str, extensions: str, span: str = "-days 30") -> None:
        (self._folder / f"{name}.ext").write_text(extensions)
        _openssl(self._folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj {subject}")
        signing = f"x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -extfile {name}.ext"
        if "-not_before" not in span:
            _openssl(self._folder, f"{signing} -out {name}.pem {span}")
            return
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
            f"-extfile {name}.ext -startdate 20200101000000Z -enddate 20200201000000Z -notext",
        )


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=60)
