"""A gRPC server of bytes: one method of each kind, with metadata before and behind."""

from concurrent import futures

import grpc


def unary(request, context):
    if request == b"fail":
        context.set_trailing_metadata((("x-late", "failed"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no – not this")
    context.send_initial_metadata((("x-early", "yes"),))
    context.set_trailing_metadata((("x-late", "yes"), ("x-bin-bin", b"\x00\xff")))
    return request + b"!"


def client_stream(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def server_stream(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def bidi(requests, context):
    for request in requests:
        yield request[::-1]


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Echo", HANDLERS),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
