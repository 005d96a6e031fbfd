"""How the versions of a secret are named and noted in Kubernetes: in an annotation of the Secret of the place."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass

from bot.adapters.kubernetes.asking import Object
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

KEY = "value"
NOTES = "negahban.dev/versions"
MADE_AS = "negahban.dev/version"
MOST_BYTES = 64 * 1024
_WORD = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_PLACE = re.compile(f"{_WORD}(/{_WORD})*")
ID = re.compile(r"[A-Za-z0-9-]{32,64}")


@dataclass(frozen=True, slots=True)
class Notes:
    """What stands there. `claims`: versions whose staging was begun."""

    current: str = ""
    pending: str = ""
    previous: str = ""
    kept: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """All that have a value."""
        return frozenset({self.current, self.pending, *self.kept} - {""})

    @staticmethod
    def read(found: Object, place: str) -> Notes:
        """Raises OutsideError (permanent) for what is no such annotation."""
        text = (found["metadata"].get("annotations") or {}).get(NOTES)
        if text is None:
            return Notes()
        try:
            data = json.loads(text)
            lists = {each: tuple(map(str, data[each])) for each in ("kept", "claims")}
            return Notes(str(data["current"]), str(data["pending"]), str(data["previous"]), **lists)
        except (ValueError, KeyError, TypeError) as error:
            text = Text("The annotation {name} of {place} cannot be read. Look at it by hand.", name=Code(NOTES),
                        place=Code(place))  # fmt: skip
            raise OutsideError(text, permanent=True) from error

    def written(self) -> str:
        """As in the annotation."""
        return json.dumps(
            {"current": self.current, "pending": self.pending, "previous": self.previous, "kept": list(self.kept),
             "claims": list(self.claims)}
        )  # fmt: skip


def secret_name(place: str, version: str) -> str:
    """The name of a version's own Secret."""
    return f"{name_of(place)}-{hashlib.sha256(version.encode()).hexdigest()[:16]}"


def name_of(place: str) -> str:
    """The name of the Secret of a place. Raises OutsideError (permanent) for what cannot be one."""
    if not _PLACE.fullmatch(place) or len(place) > 100:
        raise OutsideError(Text("{place} is no place for a secret.", place=Code(place)), permanent=True)
    return place.replace("/", ".")


def one(version: str) -> tuple[str, ...]:
    """It, if it is one."""
    return (version,) if version else ()


def spelled(value: Sealed) -> str:
    """As in `data`."""
    return base64.b64encode(value.reveal()).decode()


def value_in(found: Object, place: str) -> Sealed:
    """What a Secret holds. Raises OutsideError (permanent)."""
    try:
        return Sealed(base64.b64decode((found.get("data") or {})[KEY], validate=True))
    except (KeyError, TypeError, binascii.Error):
        pass
    text = Text("The secret of {place} has no {key}, which is what is rotated.", place=Code(place), key=Code(KEY))
    raise OutsideError(text, permanent=True)
