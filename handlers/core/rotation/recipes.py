"""How each kind of secret gets its next value, and how it is proved from the user's side.

- A new value is made once for each phase; what follows from a stored value (the key that signs) is never made anew.
- A proof asks every consumer: is it healthy, does every replica use that version, does what must work work, and is
  what must be refused refused. What a consumer cannot answer is not proved and not claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from handlers.core.ports import Clock, Entropy
from handlers.core.rotation.access_keys import KeyPair
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.key_rings import KeyRing, key_name, signer
from handlers.core.rotation.rotation_plans import ACCEPT, DROP, REPLACE, SIGN, WRITE
from handlers.core.rotation.secret_stores import Consumer, Sealed
from handlers.core.rotation.secrets import Kind, Secret
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

BACK = "back"
POLL_SECONDS = 1.0
PROOF_SECONDS = 120
KEY_CHARACTERS = 52


@dataclass(frozen=True, slots=True)
class Change:
    """One phase: what was before and what is now."""

    secret: Secret
    phase: str
    version: str
    before: Sealed
    after: Sealed


def ringed(secret: Secret) -> bool:
    """Whether the value is a key ring."""
    return secret.kind is Kind.ENCRYPTION_KEY or (secret.kind is Kind.JWT and not secret.single_value)


def named(secret: Secret) -> bool:
    """Whether the value carries the name of its version, so that replicas can report it."""
    return ringed(secret) or secret.kind in {Kind.MONGO_USER, Kind.AWS_KEY}


def reported(secret: Secret, value: Sealed, version: str) -> str:
    """What replicas report of a version: a key ring carries its own name, given when it was made."""
    if secret.kind is Kind.MONGO_USER:
        return Credentials.read(value).version
    if secret.kind is Kind.AWS_KEY:
        return KeyPair.read(value).version
    return KeyRing.read(value).version if ringed(secret) else version


def made(secret: Secret, phase: str, version: str, before: Sealed, job: str, entropy: Entropy) -> Sealed:
    """The value of a phase. Raises Damage when what is stored is not of this kind."""
    if secret.kind is Kind.MONGO_USER:
        password = entropy.token(secret.characters)
        return Credentials.read(before).next(secret.users, password, version).sealed()
    if not ringed(secret):
        return Sealed(entropy.token(secret.characters).encode())
    ring = KeyRing.read(before)
    match phase:
        case "accept":
            return ring.accepting(version, key_name(job), entropy.token(KEY_CHARACTERS)).sealed()
        case "sign" | "write":
            return ring.signing(version, key_name(job)).sealed()
        case "drop":
            return ring.alone(version).sealed()
        case _:
            return KeyRing(version, key_name(job), {key_name(job): entropy.token(KEY_CHARACTERS)}).sealed()


def proved(change: Change, consumer: Consumer, name: str, now: datetime) -> tuple[Text, ...]:
    """What was seen, as evidence. Raises OutsideError when it is not as it must be; it may become so."""
    if not consumer.healthy():
        raise OutsideError(Text("{name} is not healthy.", name=Code(name)))
    evidence = list(_reported(change, consumer, name))
    if change.secret.kind is Kind.ENCRYPTION_KEY:
        evidence += _opened(change, consumer, name)
    elif ringed(change.secret):
        evidence += _tokens(change, consumer, name, now)
    elif not consumer.verified(change.after):
        raise OutsideError(Text("{name} does not work with the new value.", name=Code(name)))
    return (*evidence, Text("{name} is healthy.", name=Code(name)))


def in_time(change: Change, consumer: Consumer, name: str, clock: Clock, check: Callable[[], None]) -> tuple[Text, ...]:
    """Waits for the proof as long as the file allows. Raises OutsideError, permanent when the time is over, and what
    `check` raises."""
    seconds = next((use.seconds for use in change.secret.uses if use.name == name), PROOF_SECONDS)
    deadline = clock.monotonic() + seconds
    while True:
        try:
            return proved(change, consumer, name, clock.now())
        except OutsideError as error:
            if clock.monotonic() >= deadline or error.permanent:
                raise OutsideError(error.text, permanent=True) from error
        check()
        clock.sleep(POLL_SECONDS)


def _reported(change: Change, consumer: Consumer, name: str) -> Sequence[Text]:
    reports = consumer.reports(change.secret.name) if named(change.secret) else ()
    behind = [each.replica for each in reports if each.version != change.version]
    if behind:
        raise OutsideError(
            Text("{replica} of {name} does not use the new version yet.", replica=Code(behind[0]), name=Code(name))
        )
    if not reports:
        return ()
    return (Text("{count} replicas of {name} say that they use it.", count=len(reports), name=Code(name)),)


def _tokens(change: Change, consumer: Consumer, name: str, now: datetime) -> Sequence[Text]:
    before, after = KeyRing.read(change.before), KeyRing.read(change.after)
    evidence: list[Text] = []
    gone = sorted(before.keys.keys() - after.keys.keys())
    for key in sorted(after.keys):
        _must(consumer, after.token(key, now), name, wanted=True)
    if change.phase in {ACCEPT, SIGN} and before.active in after.keys:
        evidence.append(Text("{name} accepts tokens of the old key and of the new one.", name=Code(name)))
    for key in gone:
        _must(consumer, before.token(key, now), name, wanted=False)
    if gone and change.phase in {DROP, REPLACE}:
        evidence.append(Text("{name} refuses tokens of the retired key.", name=Code(name)))
    fresh = consumer.log_in()
    if fresh is not None:
        if signer(fresh) != after.active:
            raise OutsideError(Text("A fresh login at {name} is signed by another key.", name=Code(name)))
        _must(consumer, fresh, name, wanted=True)
        which = Text("old") if change.phase in {ACCEPT, BACK} else Text("new")
        evidence.append(Text("A fresh login at {name} works, signed by the {which} key.", name=Code(name), which=which))
    return evidence


def _opened(change: Change, consumer: Consumer, name: str) -> Sequence[Text]:
    """Everything can still be read: of each key that the ring holds and something is under, a piece was opened."""
    counts = consumer.encrypted()
    if counts is None:
        return ()
    before, after = KeyRing.read(change.before), KeyRing.read(change.after)
    if counts.active != after.active:
        raise OutsideError(Text("{name} does not write under the key that it should yet.", name=Code(name)))
    lost = sorted(counts.used & (before.keys.keys() - after.keys.keys()))
    if lost:
        raise OutsideError(
            Text("{name} has data under {key}, which the new value does not hold.", name=Code(name), key=Code(lost[0]))
        )
    wanted = (counts.used | {after.active}) & after.keys.keys()
    if wanted - counts.opens:
        raise OutsideError(
            Text("{name} cannot read its data under {key}.", name=Code(name), key=Code(min(wanted - counts.opens)))
        )
    evidence = [Text("{name} reads data under each of {count} keys.", name=Code(name), count=len(wanted))]
    if change.phase == WRITE:
        evidence.append(Text("{name} writes under the new key.", name=Code(name)))
    strange = sum(count for key, count in counts.keys.items() if key not in after.keys)
    if strange:
        evidence.append(
            Text("{count} pieces of {name} are under keys that nobody has.", count=strange, name=Code(name))
        )
    return evidence


def _must(consumer: Consumer, token: Sealed, name: str, *, wanted: bool) -> None:
    answer = consumer.accepts(token)
    if answer is not None and answer is not wanted:
        if wanted:
            raise OutsideError(Text("{name} refuses a token it must accept.", name=Code(name)))
        raise OutsideError(Text("{name} still accepts a token of a key that is gone.", name=Code(name)))
