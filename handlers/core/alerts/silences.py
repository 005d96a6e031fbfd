"""Silences that people ask for: the question, what it would cover, and the wish.

- First the question, with matchers of exactly this group; then the same question with what Alertmanager says they match
  now; only what was shown so is made. Whoever changes a field sees it anew.
- A wish is stored in the group; the watch makes Alertmanager keep it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handlers.core.alerts import matchers
from handlers.core.alerts.groups import Group, Quieted
from handlers.core.alerts.ledger import noted
from handlers.core.alerts.matchers import Matcher
from handlers.core.words.digests import digest
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Choice, Form, Words
from handlers.core.words.text import Code, Person, Text

DURATIONS: Mapping[str, tuple[Text, timedelta]] = {
    "30m": (Text("30 minutes"), timedelta(minutes=30)),
    "1h": (Text("1 hour"), timedelta(hours=1)),
    "4h": (Text("4 hours"), timedelta(hours=4)),
    "1d": (Text("1 day"), timedelta(days=1)),
}
SHOWN = 10


def suggested(group: Group) -> tuple[Matcher, ...]:
    """All labels of the only alert that fires, or those that all of them share."""
    return matchers.common(each.labels for each in group.firing.values())


def question(group: Group, group_id: str) -> Form:
    """The first form. Raises Refusal when nothing fires or nothing is shared."""
    if group.over:
        raise Refusal(Text("Nothing of this fires any more, so there is nothing to silence."))
    told = Text("Alertmanager tells nobody about alerts that all of these lines match, until the silence ends.")
    typed = {"for": "1h", "matchers": matchers.spelled(suggested(group)), "comment": ""}
    return _form("alert_silence_check", group_id, (told,), typed, Text("See what it covers"))


def checked(group_id: str, typed: Mapping[str, str], found: Sequence[Mapping[str, str]], now: datetime) -> Form:
    """The second form: what it covers. Raises Refusal."""
    wish = wished(typed, "", "", now)
    counts = Counter(each.get("alertname", "unnamed alert") for each in found)
    names = [name if count == 1 else f"{name} ({count})" for name, count in counts.most_common()]
    shown = ", ".join(names[:SHOWN]) + (f", +{len(names) - SHOWN} more" if len(names) > SHOWN else "")
    covers = (
        Text("It covers {count} alerts that fire now: {names}.", count=len(found), names=shown)
        if names
        else Text("Nothing that fires now matches this. It would only cover what comes later.")
    )
    until = Text("It ends at {until}.", until=wish.until)
    return _form("alert_silence_make", f"{group_id}.{_shown(typed)}", (covers, until), typed, Text("Silence"))


def again(group_id: str, typed: Mapping[str, str], why: Text) -> Form:
    """The first form once more, with why."""
    return _form("alert_silence_check", group_id, (why,), typed, Text("See what it covers"))


def seen(value: str, typed: Mapping[str, str]) -> bool:
    """Whether exactly this was shown with what it covers."""
    return value.partition(".")[2] == _shown(typed)


def _shown(typed: Mapping[str, str]) -> str:
    return digest("silence", {"for": typed.get("for", ""), "matchers": typed.get("matchers", "")})[:16]


def _form(action: str, value: str, lines: tuple[Text, ...], typed: Mapping[str, str], submit: Text) -> Form:
    options = tuple((name, words) for name, (words, _) in DURATIONS.items())
    given = typed.get("for", "")
    return Form(
        action=action,
        value=value,
        title=Text("Silence alerts"),
        lines=lines,
        fields=(
            Choice("for", Text("For how long"), options, given if given in DURATIONS else "1h"),
            Words("matchers", Text("Alerts with"), typed.get("matchers", "")[:2900], lines=True, most=2900,
                  hint=Text('One label a line, like job="shop"; also != and, for regular expressions, =~ and !~.')),
            Words("comment", Text("Why"), typed.get("comment", ""), most=300,
                  hint=Text("Everybody who meets this silence will read it.")),
        ),
        submit=submit,
    )  # fmt: skip


def wished(typed: Mapping[str, str], by: str, operation: str, now: datetime) -> Quieted:
    """What the fields ask for. Raises Refusal."""
    known = DURATIONS.get(typed.get("for", ""))
    if known is None:
        raise Refusal(Text("Choose how long it should be silent."))
    read = matchers.read(typed.get("matchers", ""))
    comment = " ".join(typed.get("comment", "").split())
    if not comment:
        raise Refusal(Text("Say why, for those who wonder about the silence later."))
    return Quieted(operation, by, now, now + known[1], read, comment)


def asked_for(group: Group, wish: Quieted) -> Group:
    """The group with one more wish."""
    what = ", ".join(each.spelled for each in wish.matchers)
    said = Text("{person} silences {what} until {until}: {comment}", person=Person(wish.by), what=Code(what),
                until=wish.until, comment=wish.comment)  # fmt: skip
    return noted(replace(group, quieted=(*group.quieted, wish)), said)


def lifted(group: Group, by: str, operation: str, now: datetime) -> Group:
    """The group without its silences, those made elsewhere too. Raises Refusal when there is none."""
    wishes = tuple(each if each.lifted_by else replace(each, lifted_by=by) for each in group.quieted)
    known = {each.stands for each in wishes}
    found = {each.hush.silence: each.hush for each in group.firing.values() if each.hush is not None}
    foreign = tuple(
        Quieted(f"{operation}{number}", by, now, hush.until or now, (), "", stands=silence, lifted_by=by)
        for number, (silence, hush) in enumerate(found.items())
        if silence and silence not in known
    )
    if not foreign and all(each.lifted_by for each in group.quieted):
        if group.unhushed is None:
            raise Refusal(Text("There is no silence here any more."))
        who, at = group.unhushed
        raise Refusal(Text("There is no silence here any more: {person} lifted it, {at}.", person=Person(who), at=at))
    said = Text("{person} lifts the silence.", person=Person(by))
    return noted(replace(group, quieted=(*wishes, *foreign), unhushed=(by, now)), said)
