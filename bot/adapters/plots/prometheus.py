"""Asking Prometheus for an hour of numbers.

- One question, one try, 10 seconds; Prometheus itself is told to give up after 8.
- Only the given address is asked: no redirects are followed, no proxies or credentials are taken from elsewhere. Its
  certificate is checked against SSL_CERT_FILE, if that is set.
- What goes wrong is an Ending, never a sentence: the library's own words hold the address with its password.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import Session  # type: ignore[attr-defined]  # the one it makes itself

from bot.adapters.plots.order import Ending
from bot.adapters.plots.series import HOUR_SECONDS, STEP_SECONDS

_ANSWER_SECONDS = 10
_EVALUATION = "8s"
_STATUS = re.compile(r"HTTP Status Code (\d{3})")


class FailedError(Exception):
    """It went wrong, in the way that `ending` says."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.name)
        self.ending = ending


def asked(address: str, expression: str, until: float) -> list[dict[str, Any]]:
    """The series of the hour before `until`, as Prometheus gives them. Raises FailedError."""
    end = datetime.fromtimestamp(until, UTC)
    with Session() as session:
        session.trust_env = False
        session.max_redirects = 0
        session.verify = os.environ.get("SSL_CERT_FILE") or True
        connection = PrometheusConnect(address, retry=0, session=session, timeout=_ANSWER_SECONDS)
        try:
            answer = connection.custom_query_range(
                expression,
                end - timedelta(seconds=HOUR_SECONDS),
                end,
                str(STEP_SECONDS),
                params={"timeout": _EVALUATION},
            )
        except PrometheusApiClientException as error:
            raise FailedError(_ending(str(error))) from error
        except (ValueError, KeyError, TypeError) as error:  # no JSON, or JSON of another shape; a bad address too
            raise FailedError(Ending.NOT_PROMETHEUS) from error
        except OSError as error:  # requests' own errors are of this kind
            redirected = type(error).__name__ == "TooManyRedirects"
            raise FailedError(Ending.ELSEWHERE if redirected else Ending.AWAY) from error
    if not isinstance(answer, list):
        raise FailedError(Ending.NOT_PROMETHEUS)
    return answer


def _ending(words: str) -> Ending:
    """https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview says what each status means."""
    found = _STATUS.match(words)
    match int(found.group(1)) if found else 0:
        case 400 | 422:
            return Ending.NOT_UNDERSTOOD
        case 401 | 403:
            return Ending.DENIED
        case 408 | 429 | 500 | 502 | 503 | 504:
            return Ending.AWAY
        case _:
            return Ending.NOT_PROMETHEUS
