"""Calls each kind of method through the proxy; argument 1 is its address, 2 the root of its certificates where it has TLS."""

import queue
import sys
import threading

import grpc

LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
if len(sys.argv) > 2:
    with open(sys.argv[2], "rb") as root:
        credentials = grpc.ssl_channel_credentials(root.read())
    named = [("grpc.ssl_target_name_override", "grpc.test"), ("grpc.default_authority", "grpc.test")]
    channel = grpc.secure_channel(sys.argv[1], credentials, LARGE + named)
else:
    channel = grpc.insecure_channel(sys.argv[1], LARGE + [("grpc.default_authority", "grpc.test")])
unary = channel.unary_unary("/t.Echo/Unary")

answer, call = unary.with_call(b"hello", timeout=20)
assert answer == b"hello!", answer
assert ("x-early", "yes") in [tuple(pair) for pair in call.initial_metadata()], call.initial_metadata()
late = [tuple(pair) for pair in call.trailing_metadata()]
assert ("x-late", "yes") in late and ("x-bin-bin", b"\x00\xff") in late, late

try:
    unary(b"fail", timeout=20)
    raise SystemExit("a failure was no failure")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "no – not this", error.details()

body = bytes(range(256)) * 4096 * 3
assert unary(body, timeout=30) == body + b"!"

total = channel.stream_unary("/t.Echo/ClientStream")(iter([b"x" * 10000] * 100), timeout=20)
assert total == b"1000000", total

numbers = list(channel.unary_stream("/t.Echo/ServerStream")(b"500", timeout=20))
assert numbers == [str(number).encode() for number in range(500)]

# Both ways at once: each message is answered before the next is sent.
outgoing = queue.Queue()
replies = channel.stream_stream("/t.Echo/Bidi")(iter(outgoing.get, None), timeout=20)
for number in range(50):
    outgoing.put(f"message {number}".encode())
    assert next(replies) == f"message {number}".encode()[::-1]
outgoing.put(None)
assert list(replies) == []

# Many calls at once on one connection.
results = []


def ask(number):
    results.append(unary(str(number).encode(), timeout=20) == f"{number}!".encode())


threads = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(results) == 100 and all(results)

if len(sys.argv) > 2:
    sys.exit()

# The proxy's own answers are statuses.
elsewhere = grpc.insecure_channel(sys.argv[1], [("grpc.default_authority", "nobody.test")])
down = grpc.insecure_channel(sys.argv[1], [("grpc.default_authority", "down.test")])
for channel, code, reason in [
    (elsewhere, grpc.StatusCode.UNIMPLEMENTED, "no_route"),
    (down, grpc.StatusCode.UNAVAILABLE, "connect_refused"),
]:
    try:
        channel.unary_unary("/t.Echo/Unary")(b"x", timeout=20)
        raise SystemExit("answered by nobody")
    except grpc.RpcError as error:
        assert error.code() == code, error
        assert error.details().startswith(reason + ": "), error.details()
