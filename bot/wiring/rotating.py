"""The secrets that are rotated: their stores, consumers and accounts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.consumer import HttpConsumer, Program
from bot.adapters.mongo.accounts import MongoAccounts
from bot.adapters.secrets_files import FileSecrets
from bot.settings import Settings
from bot.wiring.files import read_file
from handlers.core.ports import ArtifactStore, Audit
from handlers.core.rotation import secrets
from handlers.core.rotation.access_keys import AccessKeys
from handlers.core.rotation.estates import OWN_CONSUMER, Estate
from handlers.core.rotation.recorded_secrets import RecordedSecrets
from handlers.core.rotation.secret_stores import Consumer, SecretStore
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text


def managed_of(given: Settings) -> secrets.Managed:
    """Raises Refusal, with everything that is wrong with SECRETS_CONFIG."""
    if not given.secrets_config:
        return secrets.Managed()
    return read_file("SECRETS_CONFIG", given.secrets_config, secrets.read)


def estate_of(
    given: Settings, artifacts: ArtifactStore, audit: Audit, own: Mapping[secrets.Kind, Consumer] | None = None
) -> Estate:
    """`own`: the bot as a consumer of its own keys. Raises Refusal, with everything that is wrong with
    SECRETS_CONFIG."""
    managed = managed_of(given)
    consumers: dict[str, dict[str, Consumer]] = {
        each.name: {
            use.name: HttpConsumer(use, _roll_out(managed, each, use), ShellCommand(use.verify, ""))
            for use in each.uses
        }
        for each in managed.secrets.values()
    }
    for kind, bot in (own or {}).items():
        secret = managed.own(kind)
        if secret is not None:
            consumers[secret.name][OWN_CONSUMER] = bot
    stores = {name: RecordedSecrets(secret_store(given, spec), audit) for name, spec in managed.stores.items()}
    accounts = {
        each.name: MongoAccounts(Path(each.admin_uri_file), canary=each.canary)
        for each in managed.secrets.values()
        if each.kind is secrets.Kind.MONGO_USER
    }
    keys = {each.name: _keys(each.iam_user) for each in managed.secrets.values() if each.kind is secrets.Kind.AWS_KEY}
    return Estate(managed, stores, consumers, artifacts, SystemClock(), SystemEntropy(), accounts, keys)


def _roll_out(managed: secrets.Managed, secret: secrets.Secret, use: secrets.Use) -> Program:
    """The team's command, or Deployments of Kubernetes that are pointed at each new version."""
    if not use.deployments:
        return ShellCommand(use.roll_out, "")
    from bot.adapters.kubernetes.asking import connected  # 0.5 s, imported only where it is used
    from bot.adapters.kubernetes.notes import name_of
    from bot.adapters.kubernetes.secrets import KubernetesSecrets
    from bot.adapters.kubernetes.workloads import KubernetesRollOut

    spec = managed.stores[secret.store]
    connection = connected(spec.config, f"The store {spec.name}")
    serving = partial(KubernetesSecrets(connection, spec.where).serving, secret.place)
    return KubernetesRollOut(
        connection, spec.where, use.deployments, name_of(secret.place), serving, float(use.seconds)
    )


def _keys(user: str) -> AccessKeys:
    from bot.adapters.aws.access_keys import AwsAccessKeys  # imported only where it is used

    return AwsAccessKeys(user)


def secret_store(given: Settings, spec: secrets.StoreSpec) -> SecretStore:
    """One of them. Raises Refusal for a setting that is missing."""
    if spec.kind == "files":
        return FileSecrets(Path(spec.where))
    if spec.kind == "secrets_manager":
        from bot.adapters.aws.secrets_manager import SecretsManager  # imported only where it is used

        return SecretsManager(spec.where)
    if spec.kind == "kubernetes":
        from bot.adapters.kubernetes.asking import connected  # 0.5 s, imported only where it is used
        from bot.adapters.kubernetes.secrets import KubernetesSecrets

        return KubernetesSecrets(connected(spec.config, f"The store {spec.name}"), spec.where)
    if not given.vault_addr:
        raise Refusal(Text("SECRETS_CONFIG names a Vault, so VAULT_ADDR is needed."))
    from bot.adapters.vault import Login, VaultSecrets  # imported only where it is used

    return VaultSecrets(
        given.vault_addr, Login(given.vault_token, given.vault_role_id, given.vault_secret_id), spec.where
    )
