"""Logs of a Python program for POST /ingest/logs, with the standard library alone.

Records wait in a bounded queue and one thread posts them in batches, so no request and no logger waits for it. Each has an id and a
time of its own: what is sent again after a failure adds no row. When the queue is full records are dropped and counted.
"""

import atexit
import json
import logging
import os
import queue
import random
import threading
import time
import traceback
import urllib.error
import urllib.request
from datetime import datetime, timezone

URL = os.environ.get("RUSHHOUR_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("API_INGEST_TOKEN")
BATCH = 500
QUEUED = 10_000
LINGER_S = 0.2
RETRY_S = (0.2, 5.0)  # first and longest wait
FLUSH_S = 5.0  # at exit


def uuid7(ms: int) -> str:
    """An id with its time in front, as rushhour's own (RFC 9562)."""
    bits = (ms << 80) | (7 << 76) | (random.getrandbits(12) << 64) | (2 << 62) | random.getrandbits(62)
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Sender:
    """Posts records in batches, for as long as it takes."""

    def __init__(self) -> None:
        self.dropped = 0
        self._queue: queue.Queue[dict] = queue.Queue(QUEUED)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rushhour", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def send(self, record: dict) -> None:
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Sends what waits, for FLUSH_S at most."""
        self._closing.set()
        self._thread.join(FLUSH_S)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._queue.empty()):
            batch = self._batch()
            wait_s = RETRY_S[0]
            while batch and not self._post(batch):
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, RETRY_S[1])

    def _batch(self) -> list[dict]:
        batch = []
        until = time.monotonic() + LINGER_S
        while len(batch) < BATCH and time.monotonic() < until:
            try:
                batch.append(self._queue.get(timeout=max(0.01, until - time.monotonic())))
            except queue.Empty:
                break
        return batch

    def _post(self, batch: list[dict]) -> bool:
        """Whether the batch is done with: taken, or refused for what it says, which trying again would not change."""
        body = "\n".join(json.dumps(record, default=str) for record in batch).encode()
        request = urllib.request.Request(f"{URL}/ingest/logs", body, {"content-type": "application/x-ndjson"})
        if TOKEN:
            request.add_header("authorization", f"Bearer {TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=10):
                return True
        except urllib.error.HTTPError as error:
            return error.code not in (401, 403, 429) and error.code < 500
        except OSError:
            return False


class LogHandler(logging.Handler):
    """Python's log records as application logs: what is in `extra` becomes their context."""

    USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

    def __init__(self, sender: Sender, service: str) -> None:
        super().__init__()
        self.sender, self.service = sender, service

    def emit(self, record: logging.LogRecord) -> None:
        try:
            ms = int(record.created * 1000)
            log = {
                "kind": "app_log",
                "log_id": uuid7(ms),
                "timestamp": iso(ms),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
                "module": record.pathname,
                "function": record.funcName,
                "line": record.lineno,
                "service": self.service,
                "thread": record.threadName,
                "process": str(record.process),
                "context": {key: value for key, value in vars(record).items() if key not in self.USUAL},
            }
            if record.exc_info and record.exc_info[0]:
                kind, error, trace = record.exc_info
                stack = "".join(traceback.format_exception(kind, error, trace))
                log["exception"] = {"type": kind.__name__, "message": str(error), "stack": stack}
            self.sender.send(log)
        except Exception:
            self.handleError(record)


class RequestLog:
    """ASGI middleware: a request log for each response, by the route's template."""

    def __init__(self, app, sender: Sender, service: str) -> None:
        self.app, self.sender, self.service = app, sender, service

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        ms, started = int(time.time() * 1000), time.perf_counter()
        request_id, status, error = uuid7(ms), 500, None

        async def answer(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception as raised:
            error = raised
            raise
        finally:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            route = scope.get("route")
            log = {
                "kind": "request_log",
                "request_id": request_id,
                "timestamp": iso(ms),
                "service": self.service,
                "endpoint": getattr(route, "path", "(unmatched)"),
                "path": scope["path"],
                "method": scope["method"],
                "status_code": status,
                "response_time_ms": (time.perf_counter() - started) * 1000,
                "user_agent": headers.get("user-agent"),
                "client_ip": scope["client"][0] if scope.get("client") else None,
                "run_id": headers.get("x-run-id"),
            }
            if error is not None:
                stack = "".join(traceback.format_exception(error))
                log |= {"level": "CRITICAL", "error_type": type(error).__name__, "error_message": str(error), "stack": stack}
            self.sender.send(log)
