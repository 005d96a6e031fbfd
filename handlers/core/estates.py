"""An estate: the managed secrets, and what rotations of them touch, through ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handlers.core.accounts import Accounts
from handlers.core.errors import Refusal
from handlers.core.ports import ArtifactStore, Clock, Entropy
from handlers.core.secret_stores import Consumer, SecretStore
from handlers.core.secrets import Managed, Secret
from handlers.core.text import Code, Text


@dataclass(frozen=True, slots=True)
class Estate:
    """What rotations touch, through ports. `consumers`: of each secret, by its name, in the file's order;
    `accounts`: the users whose password a secret is."""

    managed: Managed
    stores: Mapping[str, SecretStore]
    consumers: Mapping[str, Mapping[str, Consumer]]
    artifacts: ArtifactStore
    clock: Clock
    entropy: Entropy
    accounts: Mapping[str, Accounts] = field(default_factory=dict)

    def secret(self, name: str) -> Secret:
        """Raises Refusal for one that is not in the file."""
        found = self.managed.secrets.get(name)
        if found is None:
            raise Refusal(Text("There is no secret {name}. `/rotate status` lists them.", name=Code(name[:40])))
        return found

    def store(self, secret: Secret) -> SecretStore:
        """Where it is kept."""
        return self.stores[secret.store]
