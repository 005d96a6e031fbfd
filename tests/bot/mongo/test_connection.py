"""Connection strings: what the tools are given, and what nobody is shown."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import dns.message
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.connection import Connection, config_pipe
from handlers.core.formats.manifests import incomplete
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import PREFIX, dumped
from tests.fake_database import EveryName

PASSWORD = "p:@/?#[] %&+$'\"ö"
SEED = "cluster.example.test"
HOST = "one.example.test"


def given(uri: str) -> tuple[str, str]:
    """The connection strings for mongodump and for mongorestore."""
    connection = Connection(uri)
    return connection.for_tools(database=True), connection.for_tools(database=False)


def test_a_read_preference_is_not_for_the_tools() -> None:
    """A secondary that lags would be dumped as it was before the slice of the oplog begins."""
    uri = "mongodb://h1,h2/shop?replicaSet=rs0&readPreference=secondary&readPreferenceTags=dc:ny&maxStalenessSeconds=90"
    connection = Connection(uri)
    assert connection.for_tools(database=True) == "mongodb://h1,h2/shop?replicaSet=rs0"
    assert connection.for_tools(database=False) == "mongodb://h1,h2/?replicaSet=rs0"


def test_options_are_given_as_they_were_written() -> None:
    options = "compressors=zstd,snappy&authMechanismProperties=A:b%20c,D:e+f&tls=true"
    assert given(f"mongodb://a:1,b:2/shop?{options}") == (
        f"mongodb://a:1,b:2/shop?{options}",
        f"mongodb://a:1,b:2/?{options}",
    )


def test_options_that_make_the_tools_wait_are_left_out() -> None:
    dump, restore = given("mongodb://h/shop?serverselectiontimeoutMS=500&w=1&appName=bot")
    assert (dump, restore) == ("mongodb://h/shop?w=1", "mongodb://h/?w=1")


def test_mongorestore_is_told_where_the_user_is() -> None:
    assert given("mongodb://u:p@h/shop")[1] == "mongodb://u:p@h/?authSource=shop"
    assert given("mongodb://u:p@h/shop?AuthSource=admin")[1] == "mongodb://u:p@h/?AuthSource=admin"
    assert given("mongodb://h/shop")[1] == "mongodb://h/"


@pytest.mark.parametrize("mechanism", ["MONGODB-X509", "MONGODB-AWS", "GSSAPI", "mongodb-oidc"])
def test_a_user_kept_outside_the_server_is_in_no_database(mechanism: str) -> None:
    # mongorestore ends at once with "auth source must be $external" when there is one.
    assert given(f"mongodb://u@h/shop?authMechanism={mechanism}")[1] == f"mongodb://u@h/?authMechanism={mechanism}"


@pytest.mark.parametrize(
    "uri",
    ["mongodb://h", "mongodb://h/", "mongodb://h/?w=1", "mongodb://h/a.b", "mongodb://h/a/b", "mongodb://[::1/pass"],
)
def test_a_connection_string_without_a_database_is_refused(uri: str) -> None:
    with pytest.raises(Refusal, match=r"must (end|be) like") as caught:
        Connection(uri)
    assert "pass" not in str(caught.value)


def test_what_is_shown_has_no_password_however_it_is_written() -> None:
    uri = f"mongodb://me:{quote(PASSWORD, safe='')}@h/shop"
    told = f"{uri} {PASSWORD} {quote(PASSWORD, safe='')} mongodb+srv://x:other@y/ end"
    shown = Connection(uri).scrubbed(told)
    assert PASSWORD not in shown
    assert quote(PASSWORD, safe="") not in shown
    assert "other" not in shown
    assert shown.endswith("@y/ end")


def test_the_configuration_is_read_once_from_a_pipe() -> None:
    with config_pipe('mongodb://u:"p\\@h/shop') as (path, descriptor):
        assert path.endswith(f"/fd/{descriptor}")
        assert not os.get_inheritable(descriptor)
        assert os.read(descriptor, 1000) == b'uri: "mongodb://u:\\"p\\\\@h/shop"\n'
        assert os.read(descriptor, 1000) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_user_kept_in_the_database_itself_can_dump_and_load(tools_path: str) -> None:
    with Mongod(authentication=True) as server:
        with server.client() as client:
            client.shop.things.insert_many([{"_id": number} for number in range(9)])
            client.shop.command("createUser", "keeper", pwd=PASSWORD, roles=["readWrite", "dbAdmin"])
        uri = f"mongodb://keeper:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/shop?directConnection=true"
        with closing(MongoDatabase(uri, path=tools_path, stall_seconds=20)) as adapter:
            packed, evidence = dumped(adapter)
            assert incomplete(evidence) is None
            loaded = adapter.load(packed, PREFIX, EveryName())
            assert (loaded.return_code, loaded.restored) == (0, 9), loaded.last_lines


class Names:
    """A name server on loopback that knows one cluster."""

    def __init__(self, txt: str) -> None:
        self._records = {"SRV": f"_mongodb._tcp.{SEED}. 9 IN SRV 0 0 27017 {HOST}."}
        if txt:
            self._records["TXT"] = f'{SEED}. 9 IN TXT "{txt}"'
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """It knows nothing any more."""
        self._records.clear()

    def stop(self) -> None:
        """Ends it."""
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            asked, client = self._socket.recvfrom(4096)
            if not asked:
                return
            query = dns.message.from_wire(asked)
            answer = dns.message.make_response(query)
            record = self._records.get(dns.rdatatype.to_text(query.question[0].rdtype))
            if record is not None:
                owner, ttl, kind, form, value = record.split(" ", 4)
                answer.answer.append(dns.rrset.from_text(owner, int(ttl), kind, form, value))
            self._socket.sendto(answer.to_wire(), client)


@pytest.fixture
def asked_here() -> Iterator[dns.resolver.Resolver]:
    """Names are asked for at `nameservers` and `port` of this, and nowhere else."""
    before = dns.resolver.default_resolver
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.lifetime = 2
    dns.resolver.default_resolver = resolver
    yield resolver
    dns.resolver.default_resolver = before


@pytest.mark.parametrize(("txt", "source"), [("authSource=admin&replicaSet=rs0", "admin"), ("", "shop")])
def test_what_the_host_says_about_the_user_is_kept(asked_here: dns.resolver.Resolver, txt: str, source: str) -> None:
    names = Names(txt)
    try:
        asked_here.port = names.port
        restore = given(f"mongodb+srv://u:p@{SEED}/shop")[1]
        assert restore == f"mongodb+srv://u:p@{SEED}/?authSource={source}"
    finally:
        names.stop()


def test_a_host_that_is_not_known_is_an_error_outside(asked_here: dns.resolver.Resolver) -> None:
    names = Names("")
    names.forget()
    try:
        asked_here.port = names.port
        with pytest.raises(OutsideError, match="MONGODB_URI cannot be used") as caught:
            given(f"mongodb+srv://u:hidden@{SEED}/shop")
    finally:
        names.stop()
    assert "hidden" not in str(caught.value)
    assert not caught.value.permanent
