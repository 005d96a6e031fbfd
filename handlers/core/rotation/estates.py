"""An estate: the managed secrets, and what rotations of them touch, through ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handlers.core.ports import ArtifactStore, Clock, Entropy
from handlers.core.rotation.access_keys import AccessKeys
from handlers.core.rotation.accounts import Accounts
from handlers.core.rotation.issuers import Data, Doors, Issuer, Keys, Nobody, Pair, Seeds
from handlers.core.rotation.key_holds import KeyHolds
from handlers.core.rotation.secret_stores import Consumer, Sealed, SecretStore
from handlers.core.rotation.secrets import Kind, Managed, Secret
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

OWN_CONSUMER = "negahban"
"""The bot itself, among the consumers of its own keys."""


@dataclass(frozen=True, slots=True)
class Estate:
    """What rotations touch, through ports. `consumers`: of each secret, by its name, in the file's order;
    `accounts`: the users whose password a secret is; `access_keys`: of the user of AWS whose key it is; `holds`: what
    keeps keys of data, None while nobody looks after backups."""

    managed: Managed
    stores: Mapping[str, SecretStore]
    consumers: Mapping[str, Mapping[str, Consumer]]
    artifacts: ArtifactStore
    clock: Clock
    entropy: Entropy
    accounts: Mapping[str, Accounts] = field(default_factory=dict)
    access_keys: Mapping[str, AccessKeys] = field(default_factory=dict)
    holds: KeyHolds | None = None

    def secret(self, name: str) -> Secret:
        """Raises Refusal for one that is not in the file."""
        found = self.managed.secrets.get(name)
        if found is None:
            raise Refusal(Text("There is no secret {name}. `/rotate status` lists them.", name=Code(name[:40])))
        return found

    def store(self, secret: Secret) -> SecretStore:
        """Where it is kept."""
        return self.stores[secret.store]

    def issuer(self, secret: Secret) -> Issuer:
        """Who accepts its values."""
        if secret.kind is Kind.MONGO_USER:
            return Pair(self.accounts[secret.name], secret.users, self.entropy)
        if secret.kind is Kind.AWS_KEY:
            return Keys(self.access_keys[secret.name], self.clock)
        if secret.kind is Kind.FACTOR_KEY:
            return Seeds(self.consumers[secret.name][OWN_CONSUMER])
        if secret.kind is Kind.WEBHOOK_TOKEN:
            return Doors(self.consumers[secret.name][OWN_CONSUMER], self.clock)
        if secret.kind is Kind.ENCRYPTION_KEY:
            store = self.store(secret)

            def current() -> Sealed:
                return store.value(secret.place, store.look(secret.place).current_id)

            return Data(secret, current, self.consumers.get(secret.name, {}), self.holds)
        return Nobody()
