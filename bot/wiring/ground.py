"""The ground that the rest of a process stands on: memory, time, the store, the record, who hears of trouble, the
rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.adapters import yaml_file
from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.policy_file import PolicyFile
from bot.adapters.queue_dramatiq import DramatiqQueue
from bot.adapters.state_redis import RedisState
from bot.settings import Settings
from bot.wiring.backups import artifact_store
from bot.wiring.recording import Recording, notary_of, recording_of
from handlers.core.backups.rota import SCHEDULE
from handlers.core.door.alarms import Alarms
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.rules import JoinedRules, NoRules, RuleBook
from handlers.core.ports import ArtifactStore, Audit
from handlers.core.sealing.notary import Notary
from handlers.core.sealing.witness import Witness
from handlers.core.words.answers import Actor, Surface

Members = Callable[[], Mapping[str, frozenset[str]]]
HOST = Actor(SCHEDULE, WORKSPACE, Surface.SCHEDULE)
"""Who writes down what nobody asked for."""


@dataclass(frozen=True, slots=True)
class Ground:
    """See the module. `audit`: the record, whose silence is told."""

    state: RedisState
    queue: DramatiqQueue
    store: ArtifactStore
    clock: SystemClock
    entropy: SystemEntropy
    recording: Recording
    audit: Audit
    alarms: Alarms
    rules: RuleBook
    notary: Notary


def ground_of(given: Settings, members: Members) -> Ground:
    """Connects nothing yet. `members`: of Slack's user groups, as known now. Raises Refusal for what is wrong."""
    clock, entropy = SystemClock(), SystemEntropy()
    state, queue, store = RedisState(given.redis_url), DramatiqQueue(given.redis_url), artifact_store(given)
    recording = recording_of(given, store)
    # That the record cannot be written must be told without writing it.
    unwatched = Alarms(state, recording.file, clock, entropy)
    audit = Witness(recording.file, unwatched, HOST, given.ops_channel)
    return Ground(
        state,
        queue,
        store,
        clock,
        entropy,
        recording,
        audit,
        Alarms(state, audit, clock, entropy),
        JoinedRules(rule_book(given, audit), members),
        notary_of(given, recording, state, unwatched, HOST),
    )


def rule_book(given: Settings, audit: Audit | None = None) -> RuleBook:
    """`audit`: where it is recorded that the rules were read anew. Raises Refusal for a policy file that cannot be
    used."""
    return PolicyFile(Path(given.policy_file), yaml_file.read, audit) if given.policy_file else NoRules()
