"""Who may come in: second factors, how a person comes to one, and the glass that is broken in an emergency."""

from __future__ import annotations

from dataclasses import dataclass

from bot.adapters.factors import StoredFactors, StoredSeeds
from bot.adapters.totp import Totp
from bot.settings import Settings
from bot.wiring.ground import Ground
from bot.wiring.own import factor_ring
from handlers.access import AccessHandler
from handlers.core.door.approval import WORKSPACE, Gate
from handlers.core.door.denials import Denials
from handlers.core.door.desk import Outside
from handlers.core.door.enrolments import Enrolments
from handlers.core.door.glass import Glass
from handlers.core.door.permits import Permits
from handlers.core.door.tellings import Telling, Tellings
from handlers.core.ports import People, Standing
from handlers.core.words.answers import Actor, PersonId, Surface

BOT = Actor(PersonId("negahban"), WORKSPACE, Surface.SCHEDULE)
"""Who says what nobody asked for."""


class Nobody:
    """People, where Slack is not asked."""

    def standing(self, actor: Actor) -> Standing:
        """Nothing is known."""
        return "unknown"


@dataclass(frozen=True, slots=True)
class Entrance:
    """See the module. `outside`: what the desk stands on."""

    outside: Outside
    gate: Gate
    permits: Permits
    factors: StoredFactors
    enrolments: Enrolments
    telling: Telling
    glass: Glass
    access: AccessHandler


def entrance_of(given: Settings, ground: Ground, people: People) -> Entrance:
    """Connects nothing yet."""
    store, state, audit, clock, entropy = ground.store, ground.state, ground.audit, ground.clock, ground.entropy
    ring = factor_ring(given, audit)
    factors = StoredFactors(store, given.master_key, Totp(), ring)
    seeds = StoredSeeds(store, given.master_key, Totp(), ring)
    told = given.audit_channel or given.ops_channel
    telling = Tellings(ground.alarms, BOT, told)
    glass = Glass(state, ground.rules, audit, clock, ground.alarms, BOT, told)
    gate = Gate(state, factors, clock, entropy)
    enrolments = Enrolments(seeds, gate, state, audit, clock, entropy, telling)
    permits = Permits(gate, people, ground.rules, audit, clock)
    denials = Denials(state, permits, audit, clock)
    return Entrance(
        Outside(state, ground.queue, audit, people, clock, entropy, ground.rules, telling, glass),
        gate,
        permits,
        factors,
        enrolments,
        telling,
        glass,
        AccessHandler(enrolments, seeds, gate, ground.rules, clock, telling, glass, denials, given.bot_url),
    )
