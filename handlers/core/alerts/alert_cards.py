"""The words of alerts: the card of a group, the card that many groups share, and the history in the thread.

- The title says how bad, what, and how many still fire; the tone agrees. What cannot be read is UNKNOWN, never green.
- "Over" is what was told, or found missing in Alertmanager's own list; the card says which.
- Labels and annotations are somebody else's words: they are values of a `Text`, and what looks like a password in
  them is veiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from handlers.core.alerts.books import Member, Shared
from handlers.core.alerts.groups import LOUD, Alert, Change, Group, names
from handlers.core.alerts.handlings import Handling
from handlers.core.alerts.severities import Severities, Style
from handlers.core.words.cards import Button, Card, Fact, Link, Picture, Tone
from handlers.core.words.text import Linked, Person, Text

SHOWN, SHOWN_OVER, SHOWN_GROUPS = 8, 4, 15
# Alerts that no Alertmanager knows.
OWN_SOURCES = frozenset({"ci", "negahban"})
_SECRET = re.compile(
    r"(?i)((?:token|password|passwd|secret|api_?key|access_?key)[\"']?\s*[=:]\s*)[^\s&\"',;]+|(?<=://)[^/\s@]+:[^/\s@]+(?=@)"
)


def veiled(words: str) -> str:
    """Without what looks like a password or token."""
    return _SECRET.sub(lambda found: f"{found.group(1) or ''}•••", words)


def group_card(
    group: Group, group_id: str, *, silencing: bool = True, runbook: bool = False, style: Style | None = None
) -> Card:
    """What the group's message says now. `silencing`: there is an Alertmanager that can be told. `runbook`: one answers
    it. `style`: of what fires."""
    style = style or Severities().style(group.severity)
    loud = not group.unclear and any(each.hush is None for each in group.firing.values())
    return Card(
        title=_title(group),
        tone=style.tone if loud else _tone(group),
        mark=style.emoji if loud else "",
        lines=(*(_unheard(group) if silencing else ()), *_lines(group)),
        facts=tuple(_facts(group)),
        footer=Text("{source} · last told {last}", source=group.receiver or group.source, last=group.last),
        links=tuple(_links(group)),
        buttons=tuple(_buttons(group, group_id, silencing=silencing, runbook=runbook)),
        picture=Picture(group.picture, pictured(group, group.pictured or group.last)) if group.picture else None,
    )


def pictured(group: Group, at: datetime) -> Text:
    """What a picture that was made then shows."""
    name = ", ".join(names((group.firing or group.resolved or group.alerts).values())[:3]) or "alerts"
    return Text("A plot of what {name} measured in the hour before {at}", name=name, at=at)


def _title(group: Group) -> Text:
    firing = len(group.firing)
    name = ", ".join(names((group.firing or group.resolved or group.alerts).values())[:3]) or "alerts"
    severity = group.severity or "alert"
    if group.unclear:
        return Text("{name}: not known", name=name)
    if group.over and group.unknown:
        return Text("{name}: over, as far as told", name=name)
    if group.over:
        return Text("{name}: over", name=name)
    if firing == 1:
        return Text("{severity}: {name}", severity=severity, name=name)
    return Text("{severity}: {name} ({firing} firing)", severity=severity, name=name, firing=firing)


def _tone(group: Group) -> Tone:
    """Of what does not fire aloud."""
    if group.unknown:
        return Tone.UNKNOWN
    if group.over:
        return Tone.GOOD
    return Tone.PLAIN  # silent


def _unheard(group: Group) -> Iterable[Text]:
    """First of all lines: nobody may believe that others are quiet, or are told again."""
    if group.unheard == LOUD:
        yield Text(
            "Alertmanager could not be told what was pressed here; until it is, it may tell others. It is tried again."
        )
    elif group.unheard:
        yield Text(
            "Alertmanager could not be told what was pressed here; until it is, it may stay quiet. It is tried again."
        )


def _lines(group: Group) -> Iterable[Text]:
    firing, over = group.firing, group.resolved
    yield from (_alert_line(each) for each in list(firing.values())[:SHOWN])
    if len(firing) > SHOWN:
        yield Text("+{count} more firing", count=len(firing) - SHOWN)
    if group.hidden:
        yield Text(
            "Alertmanager left out {count} more (max_alerts); whether they fire is not known.", count=group.hidden
        )
    yield from (_over_line(each) for each in list(over.values())[:SHOWN_OVER])
    if len(over) > SHOWN_OVER:
        yield Text("+{count} more over", count=len(over) - SHOWN_OVER)


def _alert_line(alert: Alert) -> Text:
    said = _said(alert)
    hush = _hush(alert)
    again = len(alert.earlier)
    where = _where(alert)
    parts: list[Text] = [Text("{said}", said=said) if said else Text("{name}", name=alert.name)]
    if where:
        parts.append(Text(" ({where})", where=where))
    if again:
        parts.append(Text(", came back {count} times", count=again) if again > 1 else Text(", came back"))
    if hush is not None:
        parts.append(Text(", {hush}", hush=hush))
    line = Text("• since {since}: ", since=alert.started)
    for part in parts:
        line = Text("{line}{part}", line=line, part=part)
    return line


def _over_line(alert: Alert) -> Text:
    what = _said(alert) or alert.name
    if alert.vanished:
        return Text(
            "✓ {what}: Alertmanager no longer has it (last seen firing about {ended})", what=what, ended=_end(alert)
        )
    return Text("✓ {what}: over since {ended}", what=what, ended=_end(alert))


def _end(alert: Alert) -> object:
    return alert.ended or alert.started


def _said(alert: Alert) -> str:
    words = alert.words
    return veiled(words.get("summary") or words.get("message") or words.get("description") or "")


def _where(alert: Alert) -> str:
    """What tells this alert apart from its neighbours."""
    left = {name: value for name, value in alert.labels.items() if name not in {"alertname", "severity"}}
    return veiled(", ".join(f"{name}={value}" for name, value in sorted(left.items())[:6]))


def _hush(alert: Alert) -> Text | None:
    hush = alert.hush
    if hush is None:
        return None
    if hush.kind == "inhibited":
        return Text("held back by {by}", by=hush.by or Text("another alert"))
    if hush.until is None:
        return Text("silenced")
    if not hush.silence:
        return Text("silenced until {until}", until=hush.until)
    return Text("silenced by {by} until {until}", by=hush.by, until=hush.until)


def _facts(group: Group) -> Iterable[Fact]:
    yield Fact(Text("Since"), Text("{since}", since=group.began))
    ended = group.ended
    if ended is not None:
        yield Fact(Text("Over since"), Text("{ended}", ended=ended))
    held = group.acknowledged
    if held is not None:
        new = len([name for name in group.firing if name not in held.alerts])
        who = Text("{person}, {at}", person=Person(held.by), at=held.at)
        yield Fact(
            Text("Acknowledged by"),
            Text("{who}; {new} new since then", who=who, new=new) if new else who,
        )
    yield from (_handled(each) for each in group.handled if each.ended is None or each.ended >= group.first)
    yield from _silences(group)


def _handled(handling: Handling) -> Fact:
    title = Linked(handling.title, handling.link)
    if handling.ended is None:
        said = Text(
            "{person} runs {title} since {began}: {said}",
            person=Person(handling.by), title=title, began=handling.began, said=handling.said,
        )  # fmt: skip
    else:
        said = Text(
            "{title}, started by {person}, {said} ({ended})",
            title=title, person=Person(handling.by), said=handling.said, ended=handling.ended,
        )  # fmt: skip
    return Fact(Text("Runbook"), said)


def _silences(group: Group) -> Iterable[Fact]:
    for wish in group.quieted:
        if wish.lifted_by:
            said = Text("{person} lifts it", person=Person(wish.lifted_by))
        elif wish.stands:
            said = Text("{person}, until {until}: {comment}", person=Person(wish.by), until=wish.until,
                        comment=veiled(wish.comment))  # fmt: skip
        else:
            said = Text("{person} asked for it; Alertmanager is being told", person=Person(wish.by))
        yield Fact(Text("Silence"), said)


def _links(group: Group) -> Iterable[Link]:
    """The first address of each kind."""
    alerts = list((group.firing or group.resolved).values())
    found: dict[str, str] = {}
    for alert in alerts:
        for label, url in (
            ("Dashboard", alert.words.get("dashboard_url") or alert.words.get("dashboard", "")),
            ("Runbook page", alert.words.get("runbook_url", "")),
            ("Graph", alert.generator),
        ):
            if url and label not in found:
                found[label] = url
    if group.address:
        found["Alertmanager"] = group.address
    for label, url in found.items():
        yield Link(Text("{label} ({host})", label=label, host=_host(url)), url)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _buttons(group: Group, group_id: str, *, silencing: bool, runbook: bool) -> Iterable[Button]:
    known = silencing and group.source not in OWN_SOURCES
    if known and (_foreign(group) or any(not each.lifted_by for each in group.quieted)):
        yield Button(
            "alert_unsilence",
            Text("Lift silence"),
            group_id,
            question=Text("Alertmanager will tell again about everything that these silences cover."),
        )
    if group.over or group.unclear:
        return
    held = group.acknowledged
    if held is None or any(name not in held.alerts for name in group.firing):
        yield Button("alert_ack", Text("Acknowledge"), group_id, primary=True)
    if held is not None:
        yield Button("alert_unack", Text("Take back"), group_id)
    if known:
        yield Button("alert_silence", Text("Silence…"), group_id)
    if runbook:
        yield Button("alert_runbook", Text("Runbook"), group_id)


def _foreign(group: Group) -> bool:
    """Whether a silence made elsewhere keeps quiet about it."""
    lifted = {each.stands for each in group.quieted}
    hushes = (each.hush for each in group.firing.values())
    return any(each is not None and each.silence and each.silence not in lifted for each in hushes)


def history(group: Group, change: Change, *, ends: bool = True) -> tuple[Text, ...]:
    """What the thread is told about a change; nothing for the first firing, which is the card itself. `ends`: also
    when the whole group is over, which the card says anyway."""
    if group.over and not ends:
        return ()
    if group.serial == 0 and not change.ended and not change.returned and len(group.alerts) == len(change.began):
        return ()
    parts = []
    if change.began:
        parts.append(Text("{count} more firing: {what}", count=len(change.began), what=_listed(change.began)))
    if change.returned:
        parts.append(Text("{count} firing again: {what}", count=len(change.returned), what=_listed(change.returned)))
    if change.ended:
        parts.append(Text("{count} over: {what}", count=len(change.ended), what=_listed(change.ended)))
    if group.over and change.ended:
        parts.append(
            Text("Nothing of this group that Alertmanager tells of fires any more.")
            if group.unknown
            else Text("Nothing of this group fires any more.")
        )
    if not parts:
        return ()
    said = parts[0]
    for part in parts[1:]:
        said = Text("{said} · {part}", said=said, part=part)
    return (said,)


def _listed(alerts: tuple[Alert, ...]) -> str:
    shown = [_said(each) or each.name for each in alerts[:5]]
    return ", ".join(each[:80] for each in shown) + (f", +{len(alerts) - 5} more" if len(alerts) > 5 else "")


def shared_card(shared: Shared) -> Card:
    """The card that many groups share."""
    open_ = shared.open
    firing = sum(member.firing for member in open_.values())
    over = len(shared.members) - len(open_)
    unknown = any(each.unknown for each in shared.members.values())
    if open_:
        title = Text("Many alerts: {groups} groups, {firing} alerts firing", groups=len(open_), firing=firing)
    elif unknown:
        title = Text("{groups} groups of alerts fired and are over, as far as told", groups=len(shared.members))
    elif shared.members:
        title = Text("{groups} groups of alerts fired and are over", groups=len(shared.members))
    else:
        title = Text("What was listed here fires again and has its own card")
    worst = {each.severity for each in open_.values()} & {"critical", "error"}
    lines = [_shared_line(each) for each in list(open_.values())[:SHOWN_GROUPS]]
    if len(open_) > SHOWN_GROUPS:
        lines.append(Text("+{count} more groups firing", count=len(open_) - SHOWN_GROUPS))
    past = [each for each in shared.members.values() if not each.firing]
    if past and not open_:
        lines += [
            _leading(_past_line(each), each) for each in sorted(past, key=lambda each: not each.unknown)[:SHOWN_GROUPS]
        ]
        if len(past) > SHOWN_GROUPS:
            lines.append(Text("+{count} more", count=len(past) - SHOWN_GROUPS))
    return Card(
        title=title,
        tone=(Tone.UNKNOWN if unknown else Tone.GOOD) if not open_ else Tone.BAD if worst else Tone.WARNING,
        lines=tuple(lines),
        facts=(
            Fact(Text("Since"), Text("{since}", since=shared.began)),
            Fact(Text("By severity"), _by_severity(open_)),
            Fact(Text("Over"), Text("{count} groups", count=over)),
        ),
        footer=Text("So many at once share this card. When it calms down, what still fires gets its own.")
        if shared.storm
        else Text("These were over before they could be posted. What fires again gets its own card."),
    )


def _shared_line(member: Member) -> Text:
    line = Text("• {severity}: {name} ({firing} firing) since {since}", severity=member.severity or "alert",
                name=member.name, firing=member.firing, since=member.since)  # fmt: skip
    return _leading(line, member)


def _past_line(member: Member) -> Text:
    if member.unknown:
        return Text("? {name}, from {since}: alerts were left out, and whether they fire is not known",
                    name=member.name, since=member.since)  # fmt: skip
    return Text("✓ {name}, from {since}", name=member.name, since=member.since)


def _leading(line: Text, member: Member) -> Text:
    """With where to read more: the group's own card, or else what its alerts name, said by its host."""
    if member.card:
        return Text("{line} · {card}", line=line, card=Linked("its card", member.card))
    if member.link:
        return Text("{line} · {page}", line=line, page=Linked(_host(member.link) or member.link[:60], member.link))
    return line


def _by_severity(members: Mapping[str, object]) -> Text:
    counts: dict[str, int] = {}
    for member in members.values():
        severity = getattr(member, "severity", "") or "alert"
        counts[severity] = counts.get(severity, 0) + 1
    spelled = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    return Text("{counts}", counts=spelled or Text("nothing fires"))


def who_did(group: Group) -> Text:
    """For a press that comes too late: it is acknowledged, or nothing of it fires any more."""
    held = group.acknowledged
    if held is not None:
        return Text("{person} acknowledged this already, {at}.", person=Person(held.by), at=held.at)
    return Text("This is over since {ended}; there is nothing to acknowledge.", ended=group.ended or group.last)
