"""Traces over OTLP/HTTP: the only door to OpenTelemetry.

- Ids are made from what a span is, so that every process gives a job's spans the same trace without telling another,
  and a span that is noted twice is one. A span without a job is a trace of its own.
- Whether a trace is sampled is decided by its id alone, for all of its spans alike.
- What the library reads itself: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and its argument, the
  limits of OTEL_BSP_*, OTEL_EXPORTER_OTLP_CERTIFICATE, _COMPRESSION and _TIMEOUT, OTEL_SDK_DISABLED.
- A collector that is away costs lost spans (at most 2,048 wait) and lines in the log, nothing else.
"""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime
from typing import Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.re import parse_env_headers

from bot.spans import Span

PATH = "/v1/traces"
STOP_SECONDS = 2.0
UNNAMED = "unknown_service"


class _Ids(IdGenerator):
    """Hands out the ids that were set last; whoever sets them holds the lock."""

    def __init__(self) -> None:
        self.trace, self.span = 0, 0

    def generate_trace_id(self) -> int:
        """See the base."""
        return self.trace

    def generate_span_id(self) -> int:
        """See the base."""
        return self.span


class OtlpTraces:
    """The Traces port, while it is entered. `endpoint`: of the collector, without `/v1/traces`; `headers`: as
    OTEL_EXPORTER_OTLP_HEADERS spells them; `version`: of the bot."""

    def __init__(self, endpoint: str, headers: str, version: str) -> None:
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH, headers=parse_env_headers(headers, liberal=True))
        self._ids, self._lock = _Ids(), threading.Lock()
        self._provider = TracerProvider(resource=_resource(version), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("negahban", version)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Sends what waits, for two seconds at most."""
        sending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        sending.start()
        sending.join(STOP_SECONDS)

    def note(self, span: Span) -> None:
        """See the port."""
        facts = {**span.facts, "negahban.job": span.job} if span.job else dict(span.facts)
        with self._lock:
            self._ids.trace, self._ids.span = _trace_id(span), _span_id(span)
            noted = self._tracer.start_span(
                span.name,
                self._below(span),
                SpanKind.SERVER if span.whole else SpanKind.INTERNAL,
                facts,
                start_time=_nanoseconds(span.began),
            )
        if span.wrong:
            noted.set_attribute("error.type", span.wrong)
            noted.set_status(Status(StatusCode.ERROR))
        noted.end(_nanoseconds(max(span.ended, span.began)))

    def _below(self, span: Span) -> Context:
        """The job's own span, which may be noted later; nothing for what stands alone."""
        if not span.job or span.whole:
            return Context()
        whole = _trace_id(span)
        sampled = self._provider.sampler.should_sample(None, whole, span.name).decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        parent = SpanContext(whole, _number(8, "job", span.job), is_remote=True, trace_flags=flags)
        return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def _trace_id(span: Span) -> int:
    return _number(16, "trace", span.job) if span.job else _number(16, "alone", *_what(span))


def _span_id(span: Span) -> int:
    return _number(8, "job", span.job) if span.whole else _number(8, "span", *_what(span))


def _what(span: Span) -> tuple[str, ...]:
    facts = (f"{name}={value}" for name, value in sorted(span.facts.items()))
    return span.job, span.name, span.began.isoformat(), *facts


def _number(size: int, *words: str) -> int:
    """Never 0, which OpenTelemetry forbids."""
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:size], "big") or 1


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000


def _resource(version: str) -> Resource:
    found = Resource.create({"service.version": version})
    named = str(found.attributes.get("service.name", UNNAMED))
    return found.merge(Resource({"service.name": "negahban"})) if named.startswith(UNNAMED) else found
