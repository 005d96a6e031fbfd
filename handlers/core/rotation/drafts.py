"""Drafts: what each word of /rotate would do, or in a sentence why it cannot be done now.

- Nothing is begun while another rotation of the secret is at work, rests, or keeps an old value that is needed.
- Nobody is logged out and no data becomes unreadable by what is drafted, but where the plan says so.
- A draft names the version that is current now: what somebody else changes meanwhile voids it.
"""

from __future__ import annotations

from datetime import datetime

from handlers.core.rotation import pauses
from handlers.core.rotation.data_keys import guards_data
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.key_rings import KeyRing
from handlers.core.rotation.recipes import ringed
from handlers.core.rotation.rotation_plans import (
    DROP,
    REENCRYPT,
    RETIRE,
    ROLLBACK,
    ROTATE,
    Past,
    RotationPlan,
    entry,
    past,
    phases,
    shown,
)
from handlers.core.rotation.secrets import Kind, Secret
from handlers.core.words.answers import Draft, JobId, TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

LANE = "rotate"


class Drafts:
    """See the module."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def rotating(self, secret: Secret, *, emergency: bool) -> Draft:
        """A new value. Raises Refusal while it cannot be given."""
        history = self._unpaused(secret)
        self._may_begin(secret, history, emergency=emergency)
        current = self._current(secret)
        if ringed(secret) and not emergency:
            KeyRing.read(self._estate.store(secret).value(secret.place, current))
        if not emergency:
            self._ready(secret, current)
        kept = history.soaking.kept if history.soaking else ()
        removes = (*kept, current) if emergency else kept  # an old key that backups need waits for the next one's end
        plan = RotationPlan(
            secret.name, entry(secret), current, phases(secret, emergency=emergency), removes, emergency=emergency
        )
        return Draft(ROTATE, TargetName(secret.name), plan.arguments(), LANE)

    def _may_begin(self, secret: Secret, history: Past, *, emergency: bool) -> None:
        """Raises Refusal while another one is not over, or when somebody would lose something by it."""
        self._over(secret, history)
        over = history.soaking is not None and history.soaking.until <= self._estate.clock.now()
        if history.soaking is not None and not emergency and not (over and guards_data(secret)):
            raise Refusal(
                Text(
                    "The last rotation of {secret} still keeps the old value, until {until}. Then `/rotate {secret} "
                    "retire`, or go back with `/rotate {secret} rollback`.",
                    secret=secret.name,
                    until=history.soaking.until,
                )
            )
        if guards_data(secret) and emergency:
            raise Refusal(
                Text(
                    "Without its old key the data could not be read, so {secret} has no emergency. `/rotate {secret}` "
                    "writes under a new key at once, and re-encrypts everything. Backups of before stay readable to "
                    "whoever has the old one.",
                    secret=secret.name,
                )
            )
        if secret.single_value and not (secret.accept_logout or emergency):
            raise Refusal(
                Text(
                    "The program that uses {secret} knows one value at a time: everybody would be logged out. Let it "
                    "read a key ring (docs/rotation.md), or write `accept_logout: true` into its entry.",
                    secret=Code(secret.name),
                )
            )

    def reencrypting(self, secret: Secret) -> Draft:
        """Going on with the data of an encryption key. Raises Refusal."""
        if not guards_data(secret):
            raise Refusal(Text("{secret} encrypts no data.", secret=Code(secret.name)))
        self._over(secret, self._unpaused(secret))
        plan = RotationPlan(secret.name, entry(secret), self._current(secret))
        return Draft(REENCRYPT, TargetName(secret.name), plan.arguments(), LANE)

    def retiring(self, secret: Secret) -> Draft:
        """The end of the old value. Raises Refusal before its time, and while somebody needs it."""
        history = self._unpaused(secret)
        self._over(secret, history)
        soaking = history.soaking
        if soaking is None:
            raise Refusal(Text("{secret} has no old value that waits to be retired.", secret=Code(secret.name)))
        if self._estate.clock.now() < soaking.until:
            raise Refusal(_too_early(secret, soaking.until))
        if guards_data(secret):
            self._estate.issuer(secret).unused((), rested=False)
        drop, removes = ((DROP,), (*soaking.kept, soaking.now)) if ringed(secret) else ((), soaking.kept)
        plan = RotationPlan(
            secret.name, entry(secret), self._current(secret), drop, removes, soaking.of, rested=soaking.rests
        )
        return Draft(RETIRE, TargetName(secret.name), plan.arguments(), LANE)

    def pausing(self, secret: Secret) -> Draft:
        """A rest before the next step. Raises Refusal."""
        return pauses.pausing(self._estate.artifacts, secret, past(self._estate.artifacts, secret.name))

    def taking_up(self, secret: Secret, operation: str) -> Draft:
        """The rest of a paused rotation, or the way back from it."""
        paused = past(self._estate.artifacts, secret.name).paused
        if not paused:
            raise Refusal(Text("No rotation of {secret} is paused.", secret=Code(secret.name)))
        plan = pauses.taking_up(self._estate, secret, JobId(paused))
        return Draft(operation, TargetName(secret.name), plan.arguments(), LANE)

    def going_back(self, secret: Secret) -> Draft:
        """The former value again. Raises Refusal."""
        history = past(self._estate.artifacts, secret.name)
        if history.paused:
            return self.taking_up(secret, ROLLBACK)
        self._over(secret, history)
        soaking, current = history.soaking, self._current(secret)
        if soaking is None or soaking.now != current:
            raise Refusal(Text("{secret} has no rotation that can be rolled back.", secret=Code(secret.name)))
        plan = RotationPlan(secret.name, entry(secret), current, removes=soaking.kept, of=soaking.of, to=soaking.back)
        return Draft(ROLLBACK, TargetName(secret.name), plan.arguments(), LANE)

    def _unpaused(self, secret: Secret) -> Past:
        """What the journals say. Raises Refusal while a rotation rests: it is gone on with, or back from, first."""
        history = past(self._estate.artifacts, secret.name)
        if history.paused:
            raise Refusal(pauses.is_paused(secret))
        return history

    def _over(self, secret: Secret, history: Past) -> None:
        """Raises Refusal while a job is at work on it."""
        if history.unfinished:
            raise Refusal(
                Text(
                    "A rotation of {secret} is at work: job {job}.",
                    secret=Code(secret.name),
                    job=Code(history.unfinished),
                )
            )

    def _ready(self, secret: Secret, current: str) -> None:
        """Raises Refusal while what accepts the values cannot take another one."""
        self._estate.issuer(secret).before(self._estate.store(secret).value(secret.place, current))

    def _current(self, secret: Secret) -> str:
        found = self._estate.store(secret).look(secret.place)
        if found.current is None:
            raise Refusal(
                Text("{secret} has no value yet. Put a first one into the store by hand.", secret=Code(secret.name))
            )
        if found.pending is not None:
            raise Refusal(
                Text(
                    "{secret} has another new version waiting, {version}, which is not of a rotation that is at work. "
                    "Look who put it there, and remove it.",
                    secret=Code(secret.name),
                    version=Code(shown(found.pending.id)),
                )
            )
        return found.current.id


def _too_early(secret: Secret, until: datetime) -> Text:
    if guards_data(secret):
        return Text("A backup that is on its way may need the old key until {until}.", until=until)
    why = (
        Text("Tokens of the old value live until {until}; retiring it now would log people out.", until=until)
        if secret.kind is Kind.JWT
        else Text("The old value is still needed until {until}: who uses it would fail.", until=until)
    )
    return Text("{why} If somebody has seen it, use `/rotate {secret} now!`.", why=why, secret=secret.name)
