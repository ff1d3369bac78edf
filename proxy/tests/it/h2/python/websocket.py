"""A WebSocket over HTTP/2 (RFC 8441) by `h2` and `wsproto`; arguments: host, port, and what to do."""

import socket
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Message, TextMessage

HOST, PORT, ACT = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sock = socket.create_connection((HOST, PORT), 20)
h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
h2c.initiate_connection()
sock.sendall(h2c.data_to_send())
pending = []


def event(kind):
    """Waits for an event of this kind."""
    while True:
        for index, one in enumerate(pending):
            if isinstance(one, kind):
                return pending.pop(index)
        data = sock.recv(65536)
        assert data, f"the connection ended before {kind}: {pending}"
        for one in h2c.receive_data(data):
            if isinstance(one, h2.events.DataReceived):
                h2c.acknowledge_received_data(one.flow_controlled_length, one.stream_id)
            pending.append(one)
        sock.sendall(h2c.data_to_send())


event(h2.events.RemoteSettingsChanged)
code = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
assert h2c.remote_settings.get(code) == 1, "extended CONNECT is announced"
stream = h2c.get_next_available_stream_id()
head = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/ws"),
    (":authority", "t.test"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-protocol", "chat"),
    ("origin", "http://t.test"),
]
h2c.send_headers(stream, head)
sock.sendall(h2c.data_to_send())
answer = dict(event(h2.events.ResponseReceived).headers)
if ACT == "refused":
    assert answer[":status"] == sys.argv[4], answer
    sys.exit(0)
assert answer[":status"] == "200", answer
for name in ("upgrade", "connection", "sec-websocket-accept"):
    assert name not in answer, answer
websocket = Connection(ConnectionType.CLIENT)


def send(message):
    h2c.send_data(stream, websocket.send(message))
    sock.sendall(h2c.data_to_send())


def receive():
    while True:
        for one in websocket.events():
            return one
        websocket.receive_data(event(h2.events.DataReceived).data)


for text in ["hello", "ü", "x" * 10000]:
    send(Message(data=text))
    got = ""
    while len(got) < len(text):
        one = receive()
        assert isinstance(one, TextMessage), one
        got += one.data
    assert got == text, got
if ACT == "close":
    send(CloseConnection(code=1000, reason="done"))
    closed = receive()
    assert isinstance(closed, CloseConnection) and closed.code == 1000, closed
    h2c.end_stream(stream)
    sock.sendall(h2c.data_to_send())
    event(h2.events.StreamEnded)
elif ACT == "reset":
    h2c.reset_stream(stream, 8)
    sock.sendall(h2c.data_to_send())
    # The connection goes on: another stream is served.
    other = h2c.get_next_available_stream_id()
    plain = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "other.test")]
    h2c.send_headers(other, plain, end_stream=True)
    sock.sendall(h2c.data_to_send())
    assert dict(event(h2.events.ResponseReceived).headers)[":status"] == "404"
elif ACT == "ended":
    # The proxy ends it, with a Close of this code, because of what is sent or of its own accord.
    code, size = int(sys.argv[4]), int(sys.argv[5])
    if size:
        send(Message(data="x" * size))
    closed = receive()
    assert isinstance(closed, CloseConnection) and closed.code == code, closed
    send(closed.response())
    event(h2.events.StreamEnded)
elif ACT == "killed":
    send(Message(data="the last"))
    assert event(h2.events.StreamReset).error_code == 8
