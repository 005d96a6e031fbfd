"""Asking Kubernetes, and what goes wrong with it.

- Objects are read and written as they are, so that fields this library does not know are not lost.
- No request is repeated by the library. Nothing of an answer is told but its code: it may hold a value.
- A 409 is for the caller to look again; another refusal (4xx, but 408 and 429) stays one when it is asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

REQUEST_SECONDS = 10.0
CONFLICT, GONE, INVALID = 409, 404, 422
_PASSING = frozenset({408, 429})

Object = dict[str, Any]


class Conflict(OutsideError):
    """Somebody else wrote it meanwhile, or it is there already."""


class Gone(OutsideError):
    """There is no such object."""


def connected(path: str, setting: str = "ROLLBACK_KUBERNETES_CONFIG") -> client.ApiClient:
    """A connection by a kubeconfig; without one, by the pod's own service account. Asks nothing yet. Raises Refusal."""
    configuration = client.Configuration()
    try:
        if path:
            config.load_kube_config(config_file=path, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (config.ConfigException, OSError) as error:
        raise Refusal(Text("{setting} cannot be used: {why}", setting=setting, why=str(error)[:200])) from error
    configuration.retries = False
    return client.ApiClient(configuration)


def asked(call: Callable[..., Any], *words: str, **more: Any) -> Object:
    """What a call answers, as it is. Raises Conflict, Gone or another OutsideError."""
    try:
        answer = call(*words, _preload_content=False, _request_timeout=REQUEST_SECONDS, **more)
        found: Object = json.loads(answer.data)
    except ApiException as error:
        # Not chained: the exception holds the answer, and a request may stand in it.
        raise _refused(int(error.status or 0), str(words[0]) if words else "") from None
    except (HTTPError, OSError, ValueError):
        raise OutsideError(Text("Kubernetes does not answer.")) from None
    return found


def _refused(status: int, name: str) -> OutsideError:
    if status == CONFLICT:
        return Conflict(Text("Somebody else wrote it meanwhile."))
    if status == GONE:
        return Gone(Text("Kubernetes has no {name}.", name=Code(name)), permanent=True)
    if status in {401, 403}:
        return OutsideError(Text("Kubernetes cannot be asked: {why}.", why="it does not let me"), permanent=True)
    permanent = 400 <= status < 500 and status not in _PASSING
    return OutsideError(Text("Kubernetes cannot be asked: {why}.", why=f"it answered {status}"), permanent=permanent)
