"""The bot's own keys: where each is read when SECRETS_CONFIG says that it is rotated, and the bot as its consumer.

- A key that is rotated comes from its store alone; the setting of the same purpose is not looked at any more. Only
  MASTER_KEY still opens what it encrypted before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from bot.adapters.factors.records import Records
from bot.adapters.own_keys import Accepted, Knocker, OwnConsumer, OwnValues
from bot.adapters.signing import FACTORS, Ed25519Signer, derived
from bot.settings import Settings
from bot.wiring.rotating import managed_of, secret_store
from handlers.core.ports import ArtifactStore, Audit
from handlers.core.rotation.recorded_secrets import RecordedSecrets
from handlers.core.rotation.secret_stores import Consumer, Sealed
from handlers.core.rotation.secrets import Kind
from handlers.core.sealing.seals import Seal

WEBHOOK = "/webhooks/alertmanager"


def own_values(given: Settings, kind: Kind, audit: Audit) -> OwnValues | None:
    """None: it is not rotated. Raises Refusal for what is wrong with SECRETS_CONFIG."""
    managed = managed_of(given)
    secret = managed.own(kind)
    if secret is None:
        return None
    return OwnValues(RecordedSecrets(secret_store(given, managed.stores[secret.store]), audit), secret.place)


def factor_ring(given: Settings, audit: Audit) -> Callable[[], tuple[bytes, ...]]:
    """The keys that encrypt second factors, before MASTER_KEY; the first is in use."""
    values = own_values(given, Kind.FACTOR_KEY, audit)
    if values is None:
        return tuple
    return lambda: tuple(derived(each.reveal(), FACTORS) for each in values.all())


class Signers:
    """Who seals the audit record: first the key in use, then those that can still hand over to it."""

    def __init__(self, given: Settings, audit: Audit) -> None:
        self._fixed = Ed25519Signer(given.audit_key or derived(given.master_key))
        self._values = own_values(given, Kind.AUDIT_KEY, audit)

    def __call__(self) -> tuple[Ed25519Signer, ...]:
        """Raises OutsideError when the store cannot be asked."""
        rotated = () if self._values is None else self._values.all()
        return (*(Ed25519Signer(derived(each.reveal())) for each in rotated), self._fixed)


class KnownKeys:
    """The public keys whose seals count."""

    def __init__(self, signers: Signers, others: Iterable[str]) -> None:
        self._signers = signers
        self._others = tuple(others)

    def __iter__(self) -> Iterator[str]:
        yield from (*(each.public for each in self._signers()), *self._others)


def accepted_tokens(given: Settings, audit: Audit) -> Accepted | None:
    """The webhook's tokens; None: the one of the settings counts."""
    values = own_values(given, Kind.WEBHOOK_TOKEN, audit)
    return None if values is None else Accepted(values)


def takes_alerts(given: Settings) -> bool:
    """Whether anybody may send them."""
    return bool(given.webhook_token) or managed_of(given).own(Kind.WEBHOOK_TOKEN) is not None


def own_consumers(
    given: Settings, store: ArtifactStore, audit: Audit, seal: Callable[[], Seal | None]
) -> dict[Kind, Consumer]:
    """The bot, as the engine sees it."""
    records = Records(store, given.master_key, factor_ring(given, audit))

    def resealed(value: Sealed) -> bool:
        records.reseal(derived(value.reveal(), FACTORS))
        return True

    def sealed(value: Sealed) -> bool:
        seal_ = seal()
        return seal_ is None or seal_.key == Ed25519Signer(derived(value.reveal())).public

    knock = Knocker((given.bot_url or f"http://{given.http_host}:{given.http_port}").rstrip("/") + WEBHOOK)
    return {
        Kind.FACTOR_KEY: OwnConsumer(resealed, records.examine),
        Kind.AUDIT_KEY: OwnConsumer(sealed),
        Kind.WEBHOOK_TOKEN: OwnConsumer(knock),
    }
