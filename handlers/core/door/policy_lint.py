"""What makes the safety of a policy illusory, found before it is used.

- Where a rule asks for other people, no other rule lets somebody do the same with fewer: in another channel, or by
  another role, also one that a user group gives. Who must act alone breaks the glass instead, and everybody hears it.
- Two rules that ask for as many, of different roles, where too few people have both: then nobody could agree.
- A freeze that stops nobody, because everybody whom it is for overrides it.
- A glass that opens nothing: its people may not do it at all, or nobody need agree and nothing is ever frozen.
- A glass after which nobody else could look at what was done.
"""

from __future__ import annotations

from collections.abc import Iterable

from handlers.core.door.policy import Permission
from handlers.core.door.rules import LEVELS, Freeze, Human, Rule, Rules


def illusions(known: Rules) -> Iterable[str]:
    """A sentence for each."""
    for number, strict in enumerate(known.rules, 1):
        for other, lax in enumerate(known.rules, 1):
            if strict.approvals and _weakens(lax, strict):
                yield from _around(known, (number, strict), (other, lax))
            if number < other and strict.approvals and strict.approvals == lax.approvals and _same(strict, lax):
                yield from _apart(known, (number, strict), (other, lax))
    for number, freeze in enumerate(known.freezes, 1):
        if _stops_nobody(known, freeze):
            yield f"freeze {number}: everybody whom it is for may override it"
    yield from _glass(known)


def _weakens(lax: Rule, strict: Rule) -> bool:
    """Whether it allows some of the same with fewer people."""
    return (
        lax.may is Permission.DESTROY
        and lax.approvals < strict.approvals
        and _meet(lax.commands, strict.commands)
        and _meet(lax.targets, strict.targets)
    )


def _around(known: Rules, strict: tuple[int, Rule], lax: tuple[int, Rule]) -> Iterable[str]:
    for human in known.humans.values():
        able = [roles for roles in _roles(known, human) if roles & lax[1].allow]
        if not able:
            continue
        if not all(roles & strict[1].allow for roles in able):
            yield (
                f"rule {lax[0]}: it lets {human.name} do with {lax[1].approvals} others what rule {strict[0]} asks "
                f"{strict[1].approvals} for"
            )
        elif strict[1].channels and not (lax[1].channels and lax[1].channels <= strict[1].channels):
            yield (
                f"rule {lax[0]}: in other channels it lets {human.name} do with {lax[1].approvals} others what rule "
                f"{strict[0]} asks {strict[1].approvals} for"
            )


def _same(one: Rule, two: Rule) -> bool:
    """Whether both are surely asked about some of the same."""
    alike = _meet(one.commands, two.commands) and _meet(one.targets, two.targets) and _meet(one.channels, two.channels)
    return alike and not one.arguments and not two.arguments


def _apart(known: Rules, one: tuple[int, Rule], two: tuple[int, Rule]) -> Iterable[str]:
    given = frozenset(role for roles in known.groups.values() for role in roles)
    if given & (one[1].approvers | two[1].approvers):
        return  # who is in a group is not known here
    takes = (one[1].approvers, two[1].approvers)
    both = {each.name for each in known.humans.values() if all(each.roles & some for some in takes)}
    for human in known.humans.values():
        others, count = len(both - {human.name}), one[1].approvals
        if human.roles & one[1].allow and human.roles & two[1].allow and others < count:
            yield (
                f"rules {one[0]} and {two[0]}: {human.name} would need {count} others whom both of them take, "
                f"and there are {others}"
            )


def _roles(known: Rules, human: Human) -> tuple[frozenset[str], ...]:
    """The roles somebody has by the file, and with each group they may be in: more groups only add rules that ask."""
    return (human.roles, *(human.roles | given for given in known.groups.values()))


def _meet(some: frozenset[str], others: frozenset[str]) -> bool:
    return not some or not others or bool(some & others)


def _stops_nobody(known: Rules, freeze: Freeze) -> bool:
    everybody = (roles for human in known.humans.values() for roles in _roles(known, human))
    able = [roles for roles in everybody if any(_able(roles, rule, freeze) for rule in known.rules)]
    return bool(freeze.override) and all(roles & freeze.override for roles in able)


def _able(roles: frozenset[str], rule: Rule, freeze: Freeze) -> bool:
    return (
        bool(roles & rule.allow)
        and LEVELS.index(rule.may) >= LEVELS.index(freeze.may)
        and _meet(rule.commands, freeze.commands)
        and _meet(rule.targets, freeze.targets)
    )


def _glass(known: Rules) -> Iterable[str]:
    glass = known.breaking
    if glass is None:
        return
    if not known.freezes and not any(rule.approvals for rule in known.rules):
        yield "break_glass: nobody need agree and nothing is frozen, so there is nothing to break"
    if "access" in glass.commands:
        yield "break_glass: second factors are let in and unlocked by somebody else, always"
    if len(known.humans) < 2:
        yield "break_glass: there is nobody else to look at it afterwards"
    granted = frozenset(role for roles in known.groups.values() for role in roles)
    for name in sorted(glass.people & set(known.humans)):
        may = any(
            (known.humans[name].roles | granted) & rule.allow
            and rule.may is Permission.DESTROY
            and _meet(rule.commands, glass.commands)
            and _meet(rule.targets, glass.targets)
            for rule in known.rules
        )
        if not may:
            yield f"break_glass: no rule lets {name} do any of it"
