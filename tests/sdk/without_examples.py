"""The document without the examples of request bodies, of which the generator for Java says that it ignores them."""

import sys
from pathlib import Path
from typing import Any

import msgspec


def without_examples(document: dict[str, Any]) -> dict[str, Any]:
    for item in document["paths"].values():
        for operation in item.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content.pop("example", None)
    return document


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_bytes(msgspec.json.encode(without_examples(msgspec.json.decode(source.read_bytes()))))
