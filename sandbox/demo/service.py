"""The shop's service in the demo: the example backend under Node, whose sessions survive the rotation of their key."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.servers.backend import Backend

_SECRETS = """
stores:
  app: {{kind: files, folder: {folder}/secrets}}
secrets:
  jwt:
    kind: jwt
    store: app
    overlap: 30s
    consumers:
      - name: shop-api
        roll_out: sleep 1
        reports: ["{url}/internal/secrets"]
        health: {url}/health
        login: {url}/login
        login_body: {folder}/probe.json
        check: {url}/me
        seconds: 20
"""


def backend(folder: Path) -> Backend:
    """One that reads its keys from this folder; not started yet."""
    ring = folder / "secrets" / "jwt"
    ring.parent.mkdir(mode=0o700)
    return Backend(ring)


def settings(folder: Path, service: Backend) -> dict[str, str]:
    """What the bot is given so that it looks after the running service."""
    (folder / "probe.json").write_text(json.dumps({"user": "probe", "password": service.password}))
    config = folder / "secrets.yaml"
    config.write_text(_SECRETS.format(folder=folder, url=service.url))
    return {"SECRETS_CONFIG": str(config), "BACKEND_HEALTH_URL": f"{service.url}/health"}
