"""Seeds on their way to being somebody's second factor, candidates that wait, and recovery codes.

- A candidate counts for nothing; it is let in once, as what its fingerprint says.
- A recovery code does one thing: it proves who somebody is who sets up another factor. It is spent then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.core.ports import Entropy, Factor
from handlers.core.words.answers import PersonId

RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True)
class Fresh:
    """A new seed, its `otpauth://` address, and both as nobody can read them."""

    seed: str
    uri: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A second factor that was proved and waits to be let in. `renews`: there was one before; `proof`: how it was
    proved then (`code` or `recovery`); `fingerprint`: of all of it, seed included; `taken`: it was let in."""

    person: PersonId
    enrolment: str
    created: datetime
    renews: bool = False
    proof: str = ""
    fingerprint: str = ""
    taken: bool = False


class Seeds(Protocol):
    """Where seeds come from and candidates wait. All raise OutsideError; Damage for what cannot be decrypted."""

    def fresh(self, person: PersonId, team: str, enrolment: str) -> Fresh:
        """A new seed, sealed for this person and this enrolment."""

    def propose(
        self, candidate: Candidate, team: str, sealed: bytes, codes: tuple[str, str], recovery: tuple[str, ...]
    ) -> str:
        """Stores a candidate once two codes that follow each other are right at its `created`; its fingerprint.
        Raises Refusal: nothing was stored."""

    def candidate(self, person: PersonId, team: str, enrolment: str) -> Candidate | None:
        """What waits; None: nothing."""

    def admit(self, candidate: Candidate, team: str, cooling_until: int) -> Factor:
        """Makes it the person's factor, once ever. Raises Refusal when it is another than the fingerprint says."""

    def admitted(self, person: PersonId, team: str, enrolment: str) -> bool:
        """Whether the factor that counts came by this enrolment."""

    def recovers(self, person: PersonId, team: str, code: str) -> bool:
        """Whether it is a recovery code of the person; it is spent then. Of two at once exactly one is told yes."""


def recovery_codes(entropy: Entropy) -> tuple[str, ...]:
    """Ten codes of 80 bits (NIST SP 800-63B-4 §5.1.2 asks for 20)."""
    return tuple(entropy.token(16) for _ in range(RECOVERY_CODES))


def spelled(code: str) -> str:
    """A recovery code as it is shown: `abcd-efgh-ijkl-mnop`."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
