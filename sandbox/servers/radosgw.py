"""A real radosgw: an S3 with true Object Lock, over one monitor and one storage daemon, all in memory and on loopback.

- Nobody needs a key inside the cluster (auth none); S3's own requests are signed as everywhere.
- Lifecycle rules are kept and not applied, or, where a test asks for it, with a day that takes a second: then it sees
  what such a rule removes and what it cannot. Looking all the time for what expired takes half a core.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.parts import require
from sandbox.servers.http import answers
from sandbox.servers.ports import free_port
from sandbox.servers.process import Server

REGION = "us-east-1"
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw")
_TOOL_SECONDS = 60
_RULES = {
    False: {"rgw_enable_lc_threads": "false"},
    # With one list of buckets, giving it a rule waits for whoever looks through it, five seconds at a time.
    True: {"rgw_lc_debug_interval": "1", "rgw_lc_lock_max_time": "1", "rgw_lc_max_objs": "32"},
}
_SETTINGS = {
    "mon_initial_members": "a",
    "public_addr": "127.0.0.1",
    "ms_bind_msgr1": "false",
    "ms_mon_client_mode": "crc",
    "auth_cluster_required": "none",
    "auth_service_required": "none",
    "auth_client_required": "none",
    "osd_pool_default_size": "1",
    "osd_pool_default_min_size": "1",
    "osd_pool_default_pg_num": "1",
    "osd_pool_default_pgp_num": "1",
    "osd_pool_default_pg_autoscale_mode": "off",
    "osd_crush_chooseleaf_type": "0",
    "osd_objectstore": "memstore",
    "memstore_device_bytes": str(4 << 30),  # what is deleted stays for hours, and a full one waits for ever
    "mon_max_pg_per_osd": "1000",
    "mon_allow_pool_size_one": "true",
    "mon_data_avail_crit": "0",
    "mon_data_avail_warn": "0",
    "paxos_propose_interval": "0.02",
    "paxos_min_wait": "0.01",
    "log_to_stderr": "true",
    "err_to_stderr": "true",
    "log_file": "",
    "admin_socket": "",
    "pid_file": "",
    "rgw_enable_apis": "s3",
    "rgw_thread_pool_size": "32",
    "rgw_gc_max_objs": "1",
    "rgw_lc_max_worker": "1",
    "rgw_md_log_max_shards": "1",
    "rgw_data_log_num_shards": "1",
    "rgw_reshard_num_logs": "1",
    "rgw_objexp_hints_num_shards": "1",
}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a key pair of S3."""

    name: str
    access_key: str
    secret_key: str


class _Daemon(Server):
    """One program of the cluster, with a configuration file of its own."""

    grace_seconds = 0
    own: Mapping[str, str] = {}

    def __init__(self, cluster: Mapping[str, str]) -> None:
        super().__init__()
        self._cluster = dict(cluster)

    def prepare(self) -> None:
        """The configuration: what all share, and that all it writes is in its folder."""
        folder = str(self.folder)
        settings = {
            **_SETTINGS,
            **self._cluster,
            "run_dir": folder,
            "crash_dir": folder,
            "keyring": f"{folder}/keyring",
        }
        settings |= {name: value.format(folder=folder, port=self.port) for name, value in self.own.items()}
        lines = [f"{name} = {value}" for name, value in settings.items()]
        (self.folder / "ceph.conf").write_text("\n".join(["[global]", *lines, ""]))

    def tool(self, program: str, *arguments: str) -> str:
        """Runs one of Ceph's programs to its end; what it printed. Raises CalledProcessError."""
        command = [program, "-c", str(self.folder / "ceph.conf"), *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TOOL_SECONDS,
            check=True,
            cwd=self.folder,
        )
        return done.stdout

    def daemon(self, program: str, *arguments: str) -> list[str]:
        """The command of a program that stays."""
        return [str(require(program)), "-c", str(self.folder / "ceph.conf"), "-f", *arguments]


class _Monitor(_Daemon):
    name = "ceph-mon"
    own: Mapping[str, str] = {"mon_data": "{folder}/data", "mon_host": "v2:127.0.0.1:{port}"}

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "data").mkdir()
        fsid, address = self._cluster["fsid"], f"[v2:127.0.0.1:{self.port}]"
        self.tool("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, "monmap")
        self.tool("osdmaptool", "--createsimple", "1", "osdmap")
        maps = ("--monmap", "monmap", "--osdmap", "osdmap")
        self.tool(str(require("ceph-mon")), "--no-mon-config", "--mkfs", "-i", "a", *maps)

    def command(self) -> list[str]:
        """It stays in the foreground."""
        return self.daemon("ceph-mon", "-i", "a")

    def is_ready(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            return True


class _Storage(_Daemon):
    name = "ceph-osd"
    own: Mapping[str, str] = {"osd_data": "{folder}/data"}

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "data").mkdir()
        self.tool(str(require("ceph-osd")), "--no-mon-config", "--mkfs", "-i", "0")

    def command(self) -> list[str]:
        return self.daemon("ceph-osd", "--no-mon-config", "-i", "0")

    def is_ready(self) -> bool:
        return "booting -> active" in self.log.read_text(errors="replace")


class _Gateway(_Daemon):
    name = "radosgw"
    ready_seconds = 60
    own: Mapping[str, str] = {"rgw_frontends": "beast endpoint=127.0.0.1:{port}"}

    def command(self) -> list[str]:
        return self.daemon("radosgw", "--no-mon-config", "-n", "client.rgw.a")

    def is_ready(self) -> bool:
        return answers(self.port, "/")


class Radosgw:
    """An S3 with Object Lock. Its users are made by `create_user`."""

    def __init__(self, *, quick_rules: bool = False) -> None:
        """`quick_rules`: lifecycle rules are applied, and a day of theirs takes a second."""
        monitor_port = free_port()
        cluster = {"fsid": str(uuid.uuid4()), "mon_host": f"v2:127.0.0.1:{monitor_port}", **_RULES[quick_rules]}
        monitor = _Monitor(cluster)
        monitor.port = monitor_port
        self._gateway = _Gateway(cluster)
        self._daemons = [monitor, _Storage(cluster), self._gateway]

    @property
    def url(self) -> str:
        """Its address, for AWS_ENDPOINT_URL_S3."""
        return f"http://127.0.0.1:{self._gateway.port}"

    @property
    def pids(self) -> list[int]:
        """The process ids of its three programs."""
        return [daemon.pid for daemon in self._daemons]

    @property
    def folders(self) -> list[Path]:
        """The temporary folders of its three programs."""
        return [daemon.folder for daemon in self._daemons]

    def create_user(self, name: str) -> User:
        """Somebody new, who owns nothing yet."""
        user = User(name, f"AKIA{secrets.token_hex(8).upper()}", secrets.token_hex(20))
        keys = f"--access-key={user.access_key}", f"--secret-key={user.secret_key}"
        said = self._gateway.tool(
            "radosgw-admin", "--no-mon-config", "user", "create", f"--uid={name}", f"--display-name={name}", *keys
        )
        if json.loads(said)["user_id"] != name:
            raise ValueError(f"no user {name} was made")
        return user

    def environment(self, user: User) -> dict[str, str]:
        """boto3's variables for this user, who asks nobody else."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": user.access_key,
            "AWS_SECRET_ACCESS_KEY": user.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> Self:
        """Starts all three, each when the one before is ready. Raises NotReady."""
        try:
            for daemon in self._daemons:
                daemon.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends all three and removes their folders."""
        with ExitStack() as stack:
            for daemon in self._daemons:
                stack.callback(daemon.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
