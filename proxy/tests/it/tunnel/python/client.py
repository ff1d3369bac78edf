# A client by Python's websockets: client.py PORT
import asyncio
import sys

from websockets.asyncio.client import connect


async def main():
    async with connect(f"ws://127.0.0.1:{sys.argv[1]}/ws", max_size=None, proxy=None) as socket:
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
            await socket.send(b"x" * size)
            assert await socket.recv() == b"x" * size
        await socket.send(["frag", "ment", "ed"])
        assert await socket.recv() == "fragmented"
        assert await asyncio.wait_for(await socket.ping(), 10) >= 0
        await socket.close(4001, "enough")
        assert socket.close_code == 4001


asyncio.run(main())
