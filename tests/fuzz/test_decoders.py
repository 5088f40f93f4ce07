"""Laws of the decoders, on the inputs that a coverage-guided fuzzer found to take them along different ways.

The search itself is `python -m walletd.tests.fuzz`; its inputs are in `corpus.jsonl`.
"""

import pytest

from . import corpus, seeds
from .decoders import DECODERS

LINES_AT_ONCE = 3_000
"""Lines of Python that any input may cost, however short it is: an answer in each dialect to each fault is among them."""

LINES_A_BYTE = 60
"""Lines of Python that each byte of an input may cost beyond that."""

GROWTH = 64
"""How often an input is repeated to see what its length costs."""


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_holds_its_laws_on_all_that_was_found(name: str) -> None:
    inputs = [*seeds.of(name), *(data for decoder, data in corpus.load() if decoder == name)]
    for data in inputs:
        DECODERS[name](data)


@pytest.mark.parametrize("name", DECODERS)
def test_the_work_of_a_decoder_grows_no_faster_than_its_input(name: str) -> None:
    for data in (data for decoder, data in corpus.load() if decoder == name):
        for grown in (data, data[:1] + data[1:] * GROWTH):
            with corpus.Ways() as ways:
                DECODERS[name](grown)
            assert ways.lines <= LINES_AT_ONCE + LINES_A_BYTE * len(grown), grown


def test_the_corpus_is_small_and_has_inputs_for_every_decoder() -> None:
    kept = corpus.load()
    assert {name for name, _ in kept} == set(DECODERS)
    assert len(kept) <= corpus.KEPT_MAX
    assert len(set(kept)) == len(kept)
