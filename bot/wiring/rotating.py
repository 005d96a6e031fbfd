"""The secrets that are rotated: their stores, consumers and accounts."""

from __future__ import annotations

from pathlib import Path

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.consumer import HttpConsumer
from bot.adapters.mongo.accounts import MongoAccounts
from bot.adapters.secrets_files import FileSecrets
from bot.settings import Settings
from bot.wiring.files import read_file
from handlers.core import secrets
from handlers.core.errors import Refusal
from handlers.core.estates import Estate
from handlers.core.ports import ArtifactStore
from handlers.core.secret_stores import SecretStore
from handlers.core.text import Text


def estate_of(given: Settings, artifacts: ArtifactStore) -> Estate:
    """Raises Refusal, with everything that is wrong with SECRETS_CONFIG."""
    managed = secrets.Managed()
    if given.secrets_config:
        managed = read_file("SECRETS_CONFIG", given.secrets_config, secrets.read)
    consumers = {
        each.name: {
            use.name: HttpConsumer(use, ShellCommand(use.roll_out, ""), ShellCommand(use.verify, ""))
            for use in each.uses
        }
        for each in managed.secrets.values()
    }
    stores = {name: _secret_store(given, spec) for name, spec in managed.stores.items()}
    accounts = {
        each.name: MongoAccounts(Path(each.admin_uri_file), canary=each.canary)
        for each in managed.secrets.values()
        if each.kind is secrets.Kind.MONGO_USER
    }
    return Estate(managed, stores, consumers, artifacts, SystemClock(), SystemEntropy(), accounts)


def _secret_store(given: Settings, spec: secrets.StoreSpec) -> SecretStore:
    if spec.kind == "files":
        return FileSecrets(Path(spec.where))
    if not given.vault_addr:
        raise Refusal(Text("SECRETS_CONFIG names a Vault, so VAULT_ADDR is needed."))
    from bot.adapters.vault import Login, VaultSecrets  # imported only where it is used

    return VaultSecrets(
        given.vault_addr, Login(given.vault_token, given.vault_role_id, given.vault_secret_id), spec.where
    )
