"""Secrets in Vault or OpenBao: KV version 2, by check-and-set.

- A program reads `<mount>/<place>`: `{"value": …, "version": ID}`. The latest version is the current one, so a new
  value waits at `<mount>/pending/<place>`, which is created only when nothing waits there.
- Each promote is one write with the number of the version it replaces. Former versions are those Vault still keeps
  (`max_versions`, ten by default); removing one destroys it for good.
- A version that was not put there by a rotation has its number as its id.
- A token, or an AppRole whose token is got anew when it is not accepted any more. No redirect is followed, since the
  token would go with it. Nothing of a call but its path is ever told: an exception of the client may hold its body.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultError

from handlers.core.rotation.secret_stores import Sealed, Shelf, Version, absent, crowded, in_use, taken
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

TIMEOUT_SECONDS = 5
MOST_BYTES = 64 * 1024
_PLACE = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
_ID = re.compile(r"[A-Za-z0-9-]{32,64}")
_FOUND = "found-"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Login:
    """A token; or a role and its secret."""

    token: str = ""
    role_id: str = ""
    secret_id: str = ""

    def __repr__(self) -> str:
        return "Login(…)"


@dataclass(frozen=True, slots=True)
class _Slot:
    """One numbered version of a path."""

    number: int
    version: Version
    value: Sealed


class VaultSecrets:
    """The SecretStore port."""

    def __init__(self, address: str, login: Login, mount: str = "secret") -> None:
        self._address = address
        self._login = login
        self._mount = mount
        self._client: Any = None
        self._lock = threading.Lock()

    def describe(self) -> str:
        """See the port."""
        return f"{self._mount} in Vault"

    def look(self, place: str) -> Shelf:
        """See the port."""
        number, slots = self._slots(_checked(place))
        current = slots[-1].version if slots and slots[-1].number == number else None
        known = "" if current is None else current.id
        waiting = self._waiting(place)
        former = [each.version for each in slots if each.version.id != known and each.number < number]
        pending = waiting.version if waiting is not None and waiting.version.id != known else None
        return Shelf(current, pending, former[-1] if former else None)

    def value(self, place: str, version: str) -> Sealed:
        """See the port."""
        return self._found(_checked(place), version).value

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        """See the port."""
        if not _ID.fullmatch(version) or not 0 < len(value.reveal()) <= MOST_BYTES:
            raise OutsideError(Text("That cannot be a version of {place}.", place=Code(place)), permanent=True)
        _checked(place)
        waiting = self._waiting(place)
        number, slots = self._slots(place)
        current = slots[-1] if slots and slots[-1].number == number else None
        if waiting is not None and current is not None and waiting.version.id == current.version.id:
            self._forget_pending(place)  # a promote that was interrupted after its write
            waiting = None
        for each in (waiting, *slots):
            if each is not None and each.version.id == version:
                if each.value == value:
                    return
                raise taken(place)
        if waiting is not None:
            raise crowded(place)
        if (current.version.id if current else "") != over:
            raise taken(place)
        if current is not None and current.value == value:
            raise OutsideError(Text("{place} has that value already.", place=Code(place)), permanent=True)
        if not self._written(_pending(place), version, value, 0):
            raise crowded(place)

    def promote(self, place: str, version: str, over: str) -> None:
        """See the port."""
        number, slots = self._slots(_checked(place))
        current = slots[-1].version.id if slots and slots[-1].number == number else ""
        if current != version:
            if current != over:
                raise taken(place)
            source = self._found(place, version)
            if not self._written(place, version, source.value, number):
                raise taken(place)
        waiting = self._waiting(place)
        if waiting is not None and waiting.version.id == version:
            self._forget_pending(place)

    def remove(self, place: str, version: str) -> None:
        """See the port."""
        number, slots = self._slots(_checked(place))
        if slots and slots[-1].number == number and slots[-1].version.id == version:
            raise in_use(place)
        waiting = self._waiting(place)
        if waiting is not None and waiting.version.id == version:
            self._forget_pending(place)
        gone = [each.number for each in slots if each.version.id == version]
        if gone:
            self._called(place, lambda kv: kv.destroy_secret_versions(place, gone, mount_point=self._mount))

    def ends(self) -> datetime | None:
        """When the bot's own token does; None: never, or a role gets a new one when it does. Raises OutsideError."""
        facts = self._called("", lambda kv: self._signed_in().auth.token.lookup_self()["data"])
        expires = None if self._login.role_id else facts.get("expire_time")
        if expires is None:
            return None
        return datetime.fromisoformat(re.sub(r"\.\d+(?=Z|[+-])", "", expires).replace("Z", "+00:00"))

    # -- what stands there ---------------------------------------------------------------------------------------

    def _slots(self, path: str) -> tuple[int, list[_Slot]]:
        """The newest number (0: none), and every version that can be read, oldest first."""
        facts = self._asked(path, lambda kv: kv.read_secret_metadata(path, mount_point=self._mount))
        if facts is None:
            return 0, []
        known = facts["data"]["versions"]
        live = sorted(
            int(number) for number, each in known.items() if not each["destroyed"] and not each["deletion_time"]
        )
        slots = [slot for number in live if (slot := self._slot(path, number)) is not None]
        return int(facts["data"]["current_version"]), slots

    def _slot(self, path: str, number: int) -> _Slot | None:
        found = self._asked(
            path,
            lambda kv: kv.read_secret_version(
                path, version=number, mount_point=self._mount, raise_on_deleted_version=True
            ),
        )
        if found is None:
            return None
        data, facts = found["data"]["data"] or {}, found["data"]["metadata"]
        value, named = data.get("value"), data.get("version")
        made = datetime.fromisoformat(re.sub(r"\.\d+Z$|Z$", "+00:00", facts["created_time"]))
        name = f"{_FOUND}{facts['version']:032}"
        if isinstance(named, str) and _ID.fullmatch(named):
            name = named
        return _Slot(number, Version(name, made), Sealed(value.encode() if isinstance(value, str) else b""))

    def _waiting(self, place: str) -> _Slot | None:
        _, slots = self._slots(_pending(place))
        return slots[-1] if slots else None

    def _found(self, place: str, version: str) -> _Slot:
        waiting = self._waiting(place)
        found: list[_Slot] = [*self._slots(place)[1], *(() if waiting is None else (waiting,))]
        for slot in reversed(found):
            if slot.version.id == version:
                return slot
        raise absent(place, version[:64])

    # -- changing ------------------------------------------------------------------------------------------------

    def _written(self, path: str, version: str, value: Sealed, number: int) -> bool:
        """Whether the write was accepted over that number."""
        data = {"value": value.reveal().decode(), "version": version}

        def write(kv: Any) -> bool:
            try:
                kv.create_or_update_secret(path, data, cas=number, mount_point=self._mount)
            except InvalidRequest as error:
                if any("check-and-set" in str(each) for each in error.errors or ()):
                    return False
                raise
            return True

        return self._called(path, write)

    def _forget_pending(self, place: str) -> None:
        path = _pending(place)
        self._called(path, lambda kv: kv.delete_metadata_and_all_versions(path, mount_point=self._mount))

    def _asked(self, path: str, call: Callable[[Any], Any]) -> Any:
        """None when nothing is there."""

        def ask(kv: Any) -> Any:
            try:
                return call(kv)
            except InvalidPath:
                return None

        return self._called(path, ask)

    def _called(self, path: str, call: Callable[[Any], _T]) -> _T:
        try:
            client = self._signed_in()
            try:
                return call(client.secrets.kv.v2)
            except Forbidden:
                if not self._login.role_id:
                    raise
            with self._lock:
                self._client = None
            return call(self._signed_in().secrets.kv.v2)
        except Forbidden:
            why = Text("Vault does not let me touch {path}.", path=Code(f"{self._mount}/{path}"))
            raise OutsideError(why, permanent=True) from None
        except InvalidRequest:
            text = Text("Vault refused the request for {path}.", path=Code(f"{self._mount}/{path}"))
            raise OutsideError(text, permanent=True) from None
        except (VaultError, OSError, KeyError, TypeError, ValueError):
            raise OutsideError(Text("Vault gave no answer for {path}.", path=Code(f"{self._mount}/{path}"))) from None

    def _signed_in(self) -> Any:
        with self._lock:
            if self._client is None:
                # An empty token, not None: the client would look for one in the environment and the home folder.
                client = hvac.Client(
                    self._address, token=self._login.token, timeout=TIMEOUT_SECONDS, allow_redirects=False
                )
                if self._login.role_id:
                    client.auth.approle.login(self._login.role_id, self._login.secret_id)
                self._client = client
            return self._client


def _checked(place: str) -> str:
    if not _PLACE.fullmatch(place) or len(place) > 100 or place.startswith("pending/"):
        raise OutsideError(Text("{place} is no place for a secret.", place=Code(place)), permanent=True)
    return place


def _pending(place: str) -> str:
    return f"pending/{place}"
