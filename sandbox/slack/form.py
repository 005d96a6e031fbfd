"""What a person typed and chose in blocks, as Slack's `state.values`, and what its client checks itself."""

from __future__ import annotations

import re

from sandbox.slack.elements import options_of
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.limits import elements_of

REQUIRED = "Please complete this required field."
_STATELESS = ("button", "overflow", "image")
_VALUE_KEY = {
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "overflow": "selected_option",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "checkboxes": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels",
    "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}


def value_key(kind: str) -> str:
    """The name under which an element of this kind carries its value."""
    return _VALUE_KEY.get(kind, "value")


def find_element(blocks: list[JSON], block_id: str | None, action_id: str) -> tuple[JSON, JSON]:
    """The block and element a person acted on. Raises `action_not_found`."""
    for block in blocks:
        if block_id in (None, "", block.get("block_id")):
            for element in elements_of(block):
                if element.get("action_id") == action_id:
                    return block, element
    raise SlackError("action_not_found")


def filled(element: JSON, given: object) -> JSON:
    """The entry of `state.values` for one element. Raises `invalid_option` on a choice not offered."""
    kind = str(element["type"])
    key = value_key(kind)
    if isinstance(given, dict):
        given = given.get(key, given.get("value"))
    if given is None:
        return {"type": kind, key: [] if key.endswith("s") else None}
    if key == "selected_option":
        return {"type": kind, key: _option(element, given)}
    if key == "selected_options":
        many = given if isinstance(given, list) else [given]
        return {"type": kind, key: [_option(element, each) for each in many]}
    if key.endswith("s"):
        return {"type": kind, key: given if isinstance(given, list) else [str(given)]}
    return {"type": kind, key: given if key == "selected_date_time" else str(given)}


def _option(element: JSON, given: object) -> JSON:
    value = given.get("value") if isinstance(given, dict) else given
    for option in options_of(element):
        if option.get("value") == value:
            return option
    raise SlackError("invalid_option")


def _initial(element: JSON) -> object:
    key = value_key(str(element["type"])).replace("selected_", "initial_")
    return element.get("initial_value" if key == "value" else key)


def initial_state(blocks: list[JSON], known: dict[str, JSON]) -> dict[str, JSON]:
    """`state.values` of blocks: what is known so far, else each element's first value."""
    state: dict[str, JSON] = {}
    for block in blocks:
        for element in elements_of(block):
            action_id, kind = element.get("action_id"), element.get("type")
            if action_id is None or kind in _STATELESS:
                continue
            block_id = str(block["block_id"])
            entry = known.get(block_id, {}).get(action_id) or filled(element, _initial(element))
            state.setdefault(block_id, {})[str(action_id)] = entry
    return state


def fill(blocks: list[JSON], state: dict[str, JSON], values: object) -> None:
    """Writes what a person typed into `state`. Raises `action_not_found`, `invalid_option`."""
    if not isinstance(values, dict):
        raise SlackError("invalid_arguments")
    for block_id, entries in values.items():
        if not isinstance(entries, dict):
            raise SlackError("invalid_arguments")
        for action_id, given in entries.items():
            _, element = find_element(blocks, str(block_id), str(action_id))
            state.setdefault(str(block_id), {})[str(action_id)] = filled(element, given)


def client_errors(blocks: list[JSON], state: dict[str, JSON]) -> dict[str, str]:
    """What Slack's own client refuses before the app hears of it, by block."""
    errors: dict[str, str] = {}
    for block in blocks:
        if block.get("type") != "input":
            continue
        block_id, element = str(block["block_id"]), block["element"]
        entry = state.get(block_id, {}).get(element["action_id"], {})
        value = entry.get(value_key(str(element["type"])))
        if value in (None, "", []):
            if not block.get("optional", False):
                errors[block_id] = REQUIRED
        elif problem := _problem(element, value):
            errors[block_id] = problem
    return errors


def _problem(element: JSON, value: object) -> str | None:
    kind, text = element["type"], str(value)
    if kind == "plain_text_input":
        if len(text) < int(element.get("min_length") or 0):
            return f"This must be at least {element['min_length']} characters."
        if len(text) > int(element.get("max_length") or 3000):
            return f"This must be at most {element.get('max_length') or 3000} characters."
    if kind == "number_input":
        pattern = r"-?\d+(\.\d+)?" if element.get("is_decimal_allowed") else r"-?\d+"
        if not re.fullmatch(pattern, text):
            return "Please enter a number."
    if kind == "email_text_input" and not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        return "Please enter a valid email address."
    if kind == "url_text_input" and not re.match(r"https?://\S+", text):
        return "Please enter a valid URL."
    return None
