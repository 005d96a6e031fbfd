"""An OpenTelemetry collector, as strict as the protocol: OTLP/HTTP in protobuf, and nothing else."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.outside import Answers, Served


@dataclass(frozen=True)
class Got:
    """One span, as it arrived. Times are seconds since 1970."""

    trace: str
    id: str
    parent: str
    name: str
    began: float
    ended: float
    facts: dict[str, str]
    failed: bool
    service: str


class Collector(Served):
    """A web server, while it is entered. `status`: what it answers; `headers`: what it was sent with."""

    def __init__(self) -> None:
        self.spans, self.headers, self.bodies, self.status = list[Got](), list[dict[str, str]](), list[bytes](), 200
        collector = self

        class Taking(Answers):
            def do_POST(self) -> None:  # noqa: N802 http.server's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                right = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                if right and collector.status == 200:
                    collector.take(body, dict(self.headers.items()))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status if right else 400)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        super().__init__(Taking)

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """Raises DecodeError for what is no request."""
        request = ExportTraceServiceRequest.FromString(body)
        self.bodies.append(body)
        self.headers.append(headers)
        for resource in request.resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    assert len(span.trace_id) == 16
                    assert len(span.span_id) == 8
                    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
                    self.spans.append(
                        Got(
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.name,
                            span.start_time_unix_nano / 1e9,
                            span.end_time_unix_nano / 1e9,
                            {each.key: each.value.string_value for each in span.attributes},
                            span.status.code == Status.STATUS_CODE_ERROR,
                            about["service.name"],
                        )
                    )

    def named(self, name: str) -> list[Got]:
        """The spans of that name."""
        return [each for each in self.spans if each.name == name]
