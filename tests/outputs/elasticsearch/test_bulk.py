"""Bulk requests: blocks of the native path are sent as their documents would be, one by one."""

import os

import pytest

from benchmarks.mix import MIX, records
from shipper.model.documents import Documents, Rendered
from shipper.outputs.elasticsearch.bulk import Request, requests
from shipper_processors.fast_path import native
from tests.processors.both_paths import blocks_of, docker

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)


def mixed() -> Documents:
    """Documents of the main index and of the quarantine, of two days."""
    lines = [*records(MIX, 200, seed=3), docker('{"correlation_id":"a-1"}', time="2026-11-24T00:00:00.5Z")]
    return blocks_of([b"".join(lines)])


def sent(requests_: list[Request]) -> list[tuple[bytes, bytes]]:
    """Return index or name, and body, of each document that was sent."""
    pairs = []
    for request in requests_:
        lines = request.body.splitlines()
        pairs += [
            (request.default.encode() + action, body) for action, body in zip(lines[::2], lines[1::2], strict=True)
        ]
    return pairs


@pytest.mark.parametrize("most", [1 << 20, 40_000, 1000])
def test_blocks_are_sent_as_single_documents(most: int) -> None:
    """With the index in the action of those that are not for the index of the path."""
    blocks = mixed()
    assert len({piece.index for piece in blocks.chunks if isinstance(piece, Rendered)}) == 3
    as_blocks = list(requests(blocks, most, "t-{}".format))
    one_by_one = list(requests(list(blocks), 1 << 20, "t-{}".format))
    assert sent(as_blocks) == sent(one_by_one) or most < 1 << 20
    assert sum(len(request.documents) for request in as_blocks) == len(blocks)
    assert {body for _, body in sent(as_blocks)} == {body for _, body in sent(one_by_one)}
    assert all(len(request.body) <= most or len(request.documents) == 1 for request in as_blocks)
    for request in as_blocks:
        ids = [
            document.id.hex().encode() in line
            for document, line in zip(request.documents, request.body.splitlines()[::2], strict=True)
        ]
        assert all(ids)


def test_a_block_of_another_index_stays_a_block() -> None:
    """It is not taken apart, which costs several times as much as all else."""
    (request,) = requests(mixed(), 1 << 20, str)
    assert isinstance(request.documents, Documents)
    assert all(isinstance(piece, Rendered) for piece in request.documents.chunks)
