"""The rules of Block Kit's text objects, options and interactive elements.

Sources: docs.slack.dev/reference/block-kit/block-elements and /composition-objects, and the constants that
slack_sdk.models enforces. A finding reads as Slack's own: a sentence, then a JSON pointer.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sandbox.slack.errors import JSON

PLAIN = ("plain_text",)
EITHER = ("plain_text", "mrkdwn")
INPUT_ONLY = ("plain_text_input", "number_input", "email_text_input", "url_text_input")
_SELECT = r"(multi_)?(static|users|conversations|channels|external)_select"
_CHOICES = {"overflow": 5, "radio_buttons": 10, "checkboxes": 10}
_COMMON = {"type", "action_id", "confirm", "placeholder", "focus_on_load"}
_FIELDS: dict[str, set[str]] = {
    "button": {"text", "url", "value", "style", "accessibility_label"},
    "overflow": {"options"},
    "radio_buttons": {"options", "initial_option"},
    "checkboxes": {"options", "initial_options"},
    "datepicker": {"initial_date"},
    "timepicker": {"initial_time", "timezone"},
    "datetimepicker": {"initial_date_time"},
    "plain_text_input": {"multiline", "min_length", "max_length", "initial_value", "dispatch_action_config"},
    "number_input": {
        "is_decimal_allowed",
        "min_value",
        "max_value",
        "initial_value",
        "dispatch_action_config",
    },
    "email_text_input": {"initial_value", "dispatch_action_config"},
    "url_text_input": {"initial_value", "dispatch_action_config"},
    "image": {"image_url", "slack_file", "alt_text"},
}
_SELECT_FIELDS = {
    "options", "option_groups", "initial_option", "initial_options", "max_selected_items", "initial_user",
    "initial_users", "initial_conversation", "initial_conversations", "initial_channel", "initial_channels",
    "min_query_length", "default_to_current_conversation", "filter", "response_url_enabled",
}  # fmt: skip
INTERACTIVE = frozenset(_FIELDS) - {"image", *INPUT_ONLY}
_NO_CONFIRM = {*INPUT_ONLY, "image"}


@dataclass(slots=True)
class Findings:
    """What is wrong with a payload; `file_is_ready` says whether an uploaded file may be shown."""

    file_is_ready: Callable[[JSON], bool]
    messages: list[str] = field(default_factory=list)

    def add(self, message: str, pointer: str) -> None:
        """Notes one finding."""
        self.messages.append(f"{message} [json-pointer:{pointer}]")

    def string(self, data: JSON, name: str, at: str, most: int, *, required: bool = False) -> None:
        """Checks an optional or required string of 1 to `most` characters."""
        if name not in data or data[name] is None:
            if required:
                self.add(f"missing required field: {name}", at)
            return
        value = data[name]
        if not isinstance(value, str):
            self.add("must be a string", f"{at}/{name}")
        elif len(value) > most:
            self.add(f"must be less than {most + 1} characters", f"{at}/{name}")
        elif required and not value:
            self.add("must be more than 0 characters", f"{at}/{name}")

    def flag(self, data: JSON, name: str, at: str) -> None:
        """Checks an optional boolean."""
        if name in data and not isinstance(data[name], bool):
            self.add("must be a boolean", f"{at}/{name}")

    def items(self, data: JSON, name: str, at: str, most: int, *, least: int = 1) -> list[object]:
        """A required list of `least` to `most` items; the empty list if it is not one."""
        value = data.get(name)
        if value is None:
            self.add(f"missing required field: {name}", at)
            return []
        if not isinstance(value, list):
            self.add("must be an array", f"{at}/{name}")
            return []
        if len(value) > most:
            self.add(f"no more than {most} items allowed", f"{at}/{name}")
        elif len(value) < least:
            self.add(f"no fewer than {least} items allowed", f"{at}/{name}")
        return value

    def only(self, data: JSON, allowed: Collection[str], at: str) -> None:
        """Refuses properties that Slack does not know."""
        for name in data:
            if name not in allowed:
                self.add(f"invalid additional property: {name}", at)


def check_text(
    found: Findings,
    data: JSON,
    name: str,
    at: str,
    most: int,
    *,
    kinds: Collection[str] = EITHER,
    required: bool = True,
) -> None:
    """Checks the text object `data[name]`."""
    if data.get(name) is None:
        if required:
            found.add(f"missing required field: {name}", at)
        return
    check_text_object(found, data[name], f"{at}/{name}", most, kinds)


def check_text_object(found: Findings, value: object, at: str, most: int, kinds: Collection[str] = EITHER) -> None:
    """Checks one text object: its kind, its length, and which flags its kind may carry."""
    if not isinstance(value, dict):
        found.add("must be an object", at)
        return
    kind = value.get("type")
    if kind not in kinds:
        found.add(f"unsupported type: {kind}", f"{at}/type")
        return
    found.string(value, "text", at, most, required=True)
    flag = "emoji" if kind == "plain_text" else "verbatim"
    found.flag(value, flag, at)
    found.only(value, {"type", "text", flag}, at)


def check_options(found: Findings, data: JSON, at: str, most: int, kind: str) -> None:
    """Checks `options`: a text of 75 and a value of 150 characters each."""
    kinds = EITHER if kind in ("radio_buttons", "checkboxes") else PLAIN
    for index, option in enumerate(found.items(data, "options", at, most)):
        here = f"{at}/options/{index}"
        if not isinstance(option, dict):
            found.add("must be an object", here)
            continue
        check_text(found, option, "text", here, 75, kinds=kinds)
        found.string(option, "value", here, 150, required=True)
        check_text(found, option, "description", here, 75, kinds=kinds, required=False)
        found.string(option, "url", here, 3000)
        allowed = {"text", "value", "description"} | ({"url"} if kind == "overflow" else set())
        found.only(option, allowed, here)


def check_confirm(found: Findings, data: JSON, at: str) -> None:
    """Checks a confirmation dialog: 100, 300, 30 and 30 characters."""
    confirm = data.get("confirm")
    if confirm is None:
        return
    here = f"{at}/confirm"
    if not isinstance(confirm, dict):
        found.add("must be an object", here)
        return
    check_text(found, confirm, "title", here, 100, kinds=PLAIN)
    check_text(found, confirm, "text", here, 300)
    check_text(found, confirm, "confirm", here, 30, kinds=PLAIN)
    check_text(found, confirm, "deny", here, 30, kinds=PLAIN)
    check_style(found, confirm, here)
    found.only(confirm, {"title", "text", "confirm", "deny", "style"}, here)


def check_style(found: Findings, data: JSON, at: str) -> None:
    """Checks a button's style."""
    if "style" in data and data["style"] not in ("primary", "danger"):
        found.add("must be one of: primary, danger", f"{at}/style")


def check_picture(found: Findings, data: JSON, at: str) -> None:
    """Checks where an image comes from: an address Slack can reach, or a file that is ready."""
    found.string(data, "alt_text", at, 2000, required=True)
    if ("image_url" in data) == ("slack_file" in data):
        found.add("must provide either image_url or slack_file", at)
        return
    if "image_url" in data:
        found.string(data, "image_url", at, 3000, required=True)
        if isinstance(data["image_url"], str) and not _reachable(data["image_url"]):
            found.add("downloading image failed", f"{at}/image_url")
        return
    reference = data["slack_file"]
    if not isinstance(reference, dict) or ("id" in reference) == ("url" in reference):
        found.add("must provide either id or url", f"{at}/slack_file")
    elif not found.file_is_ready(reference):
        found.add("invalid slack file", f"{at}/slack_file")


def _reachable(url: str) -> bool:
    """Slack fetches images from outside, so an address of this network is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.hostname == "localhost":
        return False
    try:
        return ipaddress.ip_address(parts.hostname).is_global
    except ValueError:
        return True


def check_element(found: Findings, element: object, at: str, allowed: Callable[[str], bool]) -> None:
    """Checks one element where the elements for which `allowed` is true may stand."""
    if not isinstance(element, dict):
        found.add("must be an object", at)
        return
    kind = element.get("type")
    select = isinstance(kind, str) and re.fullmatch(_SELECT, kind)
    if not isinstance(kind, str) or (kind not in _FIELDS and not select) or not allowed(kind):
        found.add(f"unsupported type: {kind}", f"{at}/type")
        return
    if kind == "image":
        check_picture(found, element, at)
        found.only(element, {"type", *_FIELDS["image"]}, at)
        return
    found.string(element, "action_id", at, 255)
    check_text(found, element, "placeholder", at, 150, kinds=PLAIN, required=False)
    if kind not in _NO_CONFIRM:
        check_confirm(found, element, at)
    found.flag(element, "focus_on_load", at)
    found.only(element, _COMMON | (_SELECT_FIELDS if select else _FIELDS[kind]), at)
    _check_particulars(found, element, kind, at)


def _check_particulars(found: Findings, element: JSON, kind: str, at: str) -> None:
    if kind == "button":
        check_text(found, element, "text", at, 75, kinds=PLAIN)
        found.string(element, "value", at, 2000)
        found.string(element, "url", at, 3000)
        found.string(element, "accessibility_label", at, 75)
        check_style(found, element, at)
    elif kind in _CHOICES:
        check_options(found, element, at, _CHOICES[kind], kind)
        _check_initial(found, element, at)
    elif kind.endswith("static_select"):
        _check_static_select(found, element, kind, at)
    elif kind in INPUT_ONLY:
        _check_typed(found, element, kind, at)
    elif kind == "datepicker":
        date = element.get("initial_date")
        if date is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(date)):
            found.add("must be a date in the format YYYY-MM-DD", f"{at}/initial_date")


def _check_static_select(found: Findings, element: JSON, kind: str, at: str) -> None:
    if ("options" in element) == ("option_groups" in element):
        found.add("must provide either options or option_groups", at)
        return
    if "options" in element:
        check_options(found, element, at, 100, kind)
    else:
        for index, group in enumerate(found.items(element, "option_groups", at, 100)):
            here = f"{at}/option_groups/{index}"
            if not isinstance(group, dict):
                found.add("must be an object", here)
                continue
            check_text(found, group, "label", here, 75, kinds=PLAIN)
            check_options(found, group, here, 100, kind)
    _check_initial(found, element, at)


def _check_initial(found: Findings, element: JSON, at: str) -> None:
    """An option chosen at first is one of the options."""
    options = options_of(element)
    chosen = element.get("initial_options") or [element.get("initial_option")]
    values = [option.get("value") for option in options]
    for option in chosen if isinstance(chosen, list) else []:
        if option is not None and (not isinstance(option, dict) or option.get("value") not in values):
            found.add("initial option must be one of the options", at)


def options_of(element: JSON) -> list[JSON]:
    """Every option an element offers, its groups included."""
    groups = element.get("option_groups")
    lists = [group.get("options") for group in groups] if isinstance(groups, list) else [element.get("options")]
    return [option for each in lists if isinstance(each, list) for option in each if isinstance(option, dict)]


def _check_typed(found: Findings, element: JSON, kind: str, at: str) -> None:
    if kind == "number_input" and not isinstance(element.get("is_decimal_allowed"), bool):
        found.add("missing required field: is_decimal_allowed", at)
    found.string(element, "initial_value", at, 3000)
    for name, least in (("min_length", 0), ("max_length", 1)):
        value = element.get(name)
        if value is not None and (not isinstance(value, int) or not least <= value <= 3000):
            found.add(f"must be between {least} and 3000", f"{at}/{name}")
