"""What takes services back, and what remembers which versions were well."""

from __future__ import annotations

from collections.abc import Callable

from bot.adapters.command import LocalProgram, secrets_of
from bot.settings import Settings
from handlers import looks
from handlers.core.ports import ArtifactStore, Clock, State
from handlers.core.runbooks.attempts import Result
from handlers.core.runbooks.command_pairs import CommandPair
from handlers.core.runbooks.deployments import Services
from handlers.core.runbooks.known_good import KnownGood
from handlers.core.runbooks.rollbacks import Rollbacks
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.looks import Eyes, unknown

ENGINE_VARIABLES = (
    "CONTAINER_HOST", "CONTAINERS_CONF", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST",
    "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""Where the engine is: what its command is given of the bot's environment beside PATH, HOME and LANG."""


def rollbacks_of(
    given: Settings, target: TargetName, state: State, store: ArtifactStore, clock: Clock, eyes: Eyes
) -> Rollbacks | None:
    """None when nothing is configured. Connects nothing yet."""
    services = _services(given)
    if services is None:
        return None
    known = KnownGood(target, state, store, clock) if given.rollback_by == "compose" else None
    return Rollbacks(target, services, store, clock, _well(eyes) if eyes.health_url else None, known)


def _services(given: Settings) -> Services | None:
    match given.rollback_by:
        case "command":
            if not given.rollback_command:
                return None
            program = LocalProgram(secrets_of(given.mongodb_uri))
            return CommandPair(program, given.rollback_plan_command, given.rollback_command)
        case "compose":
            from bot.adapters.compose import ComposeServices, Project  # imported only where it is used

            project = Project(
                given.rollback_compose_project,
                given.rollback_compose_files,
                given.rollback_services,
                given.rollback_compose_command,
                given.rollback_container_command,
            )
            program = LocalProgram(secrets_of(given.mongodb_uri), ENGINE_VARIABLES)
            return ComposeServices(project, program, ENGINE_VARIABLES)
        case "kubernetes":
            from bot.adapters.kubernetes.asking import connected  # 0.5 s, imported only where it is used
            from bot.adapters.kubernetes.services import KubernetesServices

            connection = connected(given.rollback_kubernetes_config)
            return KubernetesServices(connection, given.rollback_kubernetes_namespace, given.rollback_services)


def _well(eyes: Eyes) -> Callable[[float], Result]:
    def well(seconds: float) -> Result:
        try:
            return looks.http(eyes, {}, seconds)
        except OutsideError as error:
            return unknown(error.text)

    return well
