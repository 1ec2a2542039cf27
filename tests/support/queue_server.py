"""A server as `bulb up` starts it, with a stand-in for Amazon SQS: a line for each message in the file `told`."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

import uvloop
from sqlalchemy import Connection

from bulb.app import open_bulb
from bulb.config import load
from bulb.storage.outbox import Entry


async def serve(port: int, data: Path, isolation: str) -> None:
    told = os.open(data.parent / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def take(connection: Connection, entry: Entry, now: float) -> bool:
        os.write(told, f"{entry.attributes['kind']} {entry.attributes['request_id']}\n".encode())
        return True

    config = load(
        {"port": port, "data": data, "isolation": isolation}, {"HOME": str(Path.home()), "PATH": os.environ["PATH"]}
    )
    bulb = await open_bulb(config, destinations={"sqs": take})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"ready at {bulb.url}", flush=True)
    await stop.wait()
    await bulb.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--isolation")
    chosen = parser.parse_args()
    uvloop.run(serve(chosen.port, chosen.data, chosen.isolation))
