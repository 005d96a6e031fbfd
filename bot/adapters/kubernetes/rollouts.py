"""How a roll-out of a Deployment stands, as `kubectl rollout status` sees it.

- observedGeneration first, then updated, available, and no old replicas; one that is past its progress deadline has
  failed (kubernetes.io, "Deployments", "Deployment status").
"""

from __future__ import annotations

from enum import Enum

from bot.adapters.kubernetes.asking import Object


class Stand(Enum):
    """How it stands."""

    GOING = "going"
    DONE = "done"
    LATE = "late"


def stand(deployment: Object) -> Stand:
    """By what the controller has written."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return Stand.GOING
    counts = [status.get(each, 0) for each in ("updatedReplicas", "availableReplicas", "replicas")]
    if counts == [wanted] * 3:
        return Stand.DONE
    reasons = {each.get("reason") for each in status.get("conditions") or ()}
    return Stand.LATE if "ProgressDeadlineExceeded" in reasons else Stand.GOING
