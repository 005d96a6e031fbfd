"""`python -m tests.bench.read_all URI`: every document of a database over raw batches, and nothing done with them."""

from __future__ import annotations

import sys
from typing import Any

from pymongo import MongoClient
from pymongo.uri_parser import parse_uri


def main() -> int:
    """Prints how many bytes there were."""
    uri, count = sys.argv[1], 0
    with MongoClient[dict[str, Any]](uri) as client:
        database = client[str(parse_uri(uri)["database"])]
        for name in database.list_collection_names(filter={"type": "collection"}):
            count += sum(len(batch) for batch in database[name].find_raw_batches(batch_size=100_000))
    print(count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
