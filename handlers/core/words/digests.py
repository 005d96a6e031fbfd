"""A digest: one fingerprint of exactly these values.

- Canonical JSON: sorted keys, no spaces, no floats, no NaN; two equal values have one spelling (RFC 8785 in spirit).
- SHA-256 with a domain word before it, so that a digest of one thing is never a digest of another.
- People compare `spoken(digest)`: three words and eight hex digits, over a phone line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

# Sixty-four short words that are hard to mistake for each other when spoken.
# fmt: off
WORDS = (
    "amber", "anchor", "apple", "arrow", "autumn", "bamboo", "basket", "beacon",
    "bridge", "butter", "cactus", "candle", "canyon", "carbon", "cedar", "cherry",
    "cobalt", "comet", "copper", "coral", "cotton", "desert", "dolphin", "ember",
    "falcon", "feather", "forest", "garden", "ginger", "glacier", "granite", "harbor",
    "hazel", "island", "ivory", "jasmine", "jungle", "lantern", "lemon", "lilac",
    "magnet", "maple", "marble", "meadow", "mercury", "mountain", "nectar", "ocean",
    "olive", "orange", "orchid", "paper", "pepper", "pebble", "planet", "pollen",
    "quartz", "raven", "river", "saddle", "saffron", "silver", "thunder", "walnut",
)
# fmt: on


def canonical(value: Json) -> bytes:
    """The one spelling of a JSON value. Raises TypeError for floats and for what is not JSON."""
    _check(value)
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def digest(domain: str, value: Json) -> str:
    """64 hex digits: SHA-256 over the domain and the canonical spelling."""
    return hashlib.sha256(f"negahban/{domain}/1\n".encode() + canonical(value)).hexdigest()


def spoken(digest_hex: str) -> str:
    """`river-amber-coral 1a2b3c4d`: for people to compare; not a replacement for the digest."""
    number = int(digest_hex[:6], 16)
    first, second, third, rest = ((number >> shift) & 63 for shift in (18, 12, 6, 0))
    words = [WORDS[each] for each in (first, second, third ^ rest)]
    return f"{'-'.join(words)} {digest_hex[-8:]}"


def _plain(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _check(value: Json) -> None:
    match value:
        case None | bool() | int() | str():
            return
        case Mapping():
            for key, each in value.items():
                if not isinstance(key, str):
                    raise TypeError("a key that is not a string")
                _check(each)
        case list() | tuple():
            for each in value:
                _check(each)
        case _:
            raise TypeError(f"not canonical JSON: {type(value).__name__}")
