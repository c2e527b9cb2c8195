"""HTTP: requests that come in, polling, server-sent events, WebSockets; requests that go out."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("WebhookSource", "source", "webhook:WebhookSource", extra="connect",
            needs=("uvicorn",)),
    BuiltIn("HttpSource", "source", "polling:HttpSource", extra="http", needs=("httpx",)),
    BuiltIn("SseSource", "source", "sse:sse_source", extra="http", needs=("httpx",)),
    BuiltIn("WebSocketSource", "source", "websocket:websocket_source", extra="http",
            needs=("websockets",)),
    BuiltIn("HttpSink", "sink", "sink:HttpSink", extra="http", needs=("httpx",),
            also=("io.confluent.connect.http.HttpSinkConnector",)),
)  # fmt: skip
