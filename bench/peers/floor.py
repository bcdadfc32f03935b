"""The CPU time of one page without HTTP: `python -m bench.peers.floor SECONDS` prints it in microseconds.

PyMongo finds 20 documents and orjson encodes them: the least that any server of them as JSON has to do.
"""

import os
import sys
import time
from typing import Any

import orjson
from pymongo import MongoClient


def main(seconds: float) -> None:
    documents: Any = MongoClient(os.environ["MONGODB_URI"])[os.environ["MONGODB_DATABASE"]].data

    def page() -> bytes:
        return orjson.dumps(list(documents.find().sort("_id", -1).limit(20)), default=str)

    for _ in range(100):
        page()
    calls, end, began = 0, time.monotonic() + seconds, time.process_time()
    while time.monotonic() < end:
        page()
        calls += 1
    print((time.process_time() - began) / calls * 1e6)


if __name__ == "__main__":
    main(float(sys.argv[1]))
