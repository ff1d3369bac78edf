# An echo by Python's websockets, with compression. Prints its port.
import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosedError as closed:
        # A code of the client's own is how client.py ends, and no news for the log of the tests.
        if closed.rcvd is None or closed.rcvd.code != 4001:
            raise


async def main():
    async with serve(echo, "127.0.0.1", 0, ping_interval=None, max_size=None) as server:
        print(server.sockets[0].getsockname()[1])
        await asyncio.Future()


asyncio.run(main())
