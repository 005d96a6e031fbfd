"""The API of the stand-in over HTTP."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from sandbox.kube.access import VERBS, Account, Asked
from sandbox.kube.controller import Controller
from sandbox.kube.objects import Object, Objects, Refused, patched
from sandbox.kube.secrets import Secrets

TICK_SECONDS = 0.02
_PATH = re.compile(r"/apis/apps/v1/namespaces/([a-z0-9-]+)/(deployments|replicasets)(?:/([a-z0-9.-]+))?")
_SECRETS = re.compile(r"/api/v1/namespaces/([a-z0-9-]+)/secrets(?:/([^/]+))?")
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    415: "UnsupportedMediaType",
    422: "Invalid",
}


class Kube:
    """The API on loopback, while it is entered."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.objects = Objects()
        self.secrets = Secrets(self.objects)
        self.accounts: dict[str, Account] = {}
        """Beside `token`, which may do everything."""
        self.controller = Controller(self.objects)
        self.sick: set[str] = set()
        self.before_write: list[Callable[[], None]] = []
        """Each happens once, just before a write is judged: what others do meanwhile."""
        self.writes: list[str] = []
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=self._control, daemon=True),
        ]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def account(self, name: str, namespace: str, rules: Sequence[dict[str, Any]]) -> str:
        """The token of a service account whose Role in that namespace has these rules."""
        token = secrets.token_hex(16)
        self.accounts[token] = Account(f"system:serviceaccount:{namespace}:{name}", namespace, rules)
        return token

    def write_config(self, path: Path, namespace: str = "default", token: str = "") -> None:
        """A kubeconfig with the token, or with another one."""
        named = {
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "bot", "user": {"token": token or self.token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "bot", "namespace": namespace}}],
        }
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "here", **named}))

    def deploy(self, name: str, image: str, *, replicas: int = 2, deadline: int = 600, history: int = 10) -> None:
        """What the team does: applies a Deployment with that image. Returns at once."""
        template: Object = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image, "x-unknown-to-clients": {"kept": True}}]},
        }
        spec: Object = {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
            "progressDeadlineSeconds": deadline,
            "revisionHistoryLimit": history,
        }
        with self.objects.lock:
            there = self.objects.all.get(("default", "deployments", name))
            if there is not None:
                self.objects.store({**there, "spec": spec})
                return
            metadata = {"name": name, "namespace": "default", "uid": secrets.token_hex(8), "generation": 0}
            self.objects.store(
                {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": {}}
            )

    def image(self, name: str) -> str:
        """What the Deployment's template says."""
        return str(self.objects.read(name)["spec"]["template"]["spec"]["containers"][0]["image"])

    def rolled(self, name: str) -> bool:
        """Whether its rollout is complete."""
        found = self.objects.read(name)
        wanted, status = found["spec"]["replicas"], found["status"]
        return bool(
            status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == wanted
            and status.get("replicas") == wanted
        )

    def settle(self, name: str, seconds: float = 10) -> None:
        """Waits until it is complete."""
        until = time.monotonic() + seconds
        while not self.rolled(name):
            if time.monotonic() > until:
                raise TimeoutError(f"{name} did not roll: {self.objects.read(name)['status']}")
            time.sleep(TICK_SECONDS)

    def write(self, namespace: str, name: str, method: str, kind: str, body: Any) -> Object:
        """PUT or PATCH of a Deployment. Raises Refused."""
        if self.before_write:
            self.before_write.pop(0)()
        with self.objects.lock:
            now = self.objects.read(name, namespace=namespace)
            changed = body if method == "PUT" else patched(now, kind, body)
            changed["status"] = now["status"]
            stored = self.objects.store(changed)
            self.writes.append(name)
            return stored

    def about_secrets(self, method: str, namespace: str, name: str, kind: str, body: Any) -> Object:
        """A request about secrets. Raises Refused."""
        if method != "GET" and self.before_write:
            self.before_write.pop(0)()
        match method, bool(name):
            case "GET", True:
                return self.secrets.read(namespace, name)
            case "GET", False:
                return self.secrets.listed(namespace)
            case "POST", False:
                return self.secrets.created(namespace, body)
            case "PUT", True:
                return self.secrets.replaced(namespace, name, body)
            case "PATCH", True:
                return self.secrets.replaced(namespace, name, patched(self.secrets.read(namespace, name), kind, body))
            case "DELETE", True:
                return self.secrets.deleted(namespace, name, body)
        raise Refused(405, "the server does not allow this method on the requested resource")

    def allowed(self, token: str, asked: Asked) -> None:
        """Raises Refused."""
        account = Account("admin") if token == f"Bearer {self.token}" else self.accounts.get(token[len("Bearer ") :])
        if account is None:
            raise Refused(401, "Unauthorized")
        account.check(asked)

    def healthy(self, namespace: str, name: str) -> bool:
        """Whether nothing sick serves, and something does."""
        sets = [each for each in self.objects.sets(namespace, name) if each["status"].get("availableReplicas", 0)]
        images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in sets}
        return bool(images) and not images & self.sick

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def _control(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self.controller.round()


def _handler(kube: Kube) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in two pieces waits 40 ms for the client's acknowledgement of the first

        def do_GET(self) -> None:
            if self.path.startswith("/health/"):
                _, _, namespace, name = self.path.split("/")
                return self._say(200 if kube.healthy(namespace, name) else 500, {"deployment": name})
            return self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_PATCH(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer(201)

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self, done: int = 200) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                self._say(done, self._asked(json.loads(sent or b"null")))
            except Refused as refused:
                self._say(refused.code, _status_of(refused))

        def _asked(self, body: Any) -> Object:
            path, _, query = self.path.partition("?")
            token, verb = self.headers.get("Authorization") or "", VERBS.get(self.command, "")
            about = _SECRETS.fullmatch(path)
            if about is not None:
                namespace, name = about[1], unquote(about[2] or "")
                kube.allowed(token, Asked("", "secrets", verb or ("get" if name else "list"), namespace, name))
                content_type = self.headers.get("Content-Type", "")
                return kube.about_secrets(self.command, namespace, name, content_type, body)
            match = _PATH.fullmatch(path)
            if match is None:
                kube.allowed(token, Asked("", path, verb or "get", ""))
                raise Refused(404, "the server could not find the requested resource")
            namespace, kind, name = match.groups()
            kube.allowed(token, Asked("apps", kind, verb or ("get" if name else "list"), namespace, name or ""))
            if self.command == "GET":
                selector = next((each[14:] for each in query.split("&") if each.startswith("labelSelector=")), "")
                plain = selector.replace("%3D", "=").replace("%2C", ",")
                return kube.objects.read(name, kind, namespace) if name else kube.objects.listed(namespace, kind, plain)
            if kind != "deployments" or not name:
                raise Refused(404, "the server could not find the requested resource")
            return kube.write(namespace, name, self.command, self.headers.get("Content-Type", ""), body)

        def _say(self, code: int, what: Object) -> None:
            body = json.dumps(what).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class's name
            """Says nothing."""

    return Api


def _status_of(refused: Refused) -> Object:
    reason = refused.reason or _REASONS.get(refused.code, "Unknown")
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(refused),
            "reason": reason, "code": refused.code, "details": {"at": datetime.now(UTC).isoformat()}}  # fmt: skip
