"""Reports of tests: whatever a test logged, its worker can send them."""

from __future__ import annotations

from tests.support.reports import encodable


def test_half_a_surrogate_pair_is_replaced_wherever_it_is() -> None:
    report = {"sections": [("Captured log call", "no \ud800")], "\udfff": 1, "duration": 0.5, "when": None}
    sent = encodable(report)
    assert sent == {"sections": [("Captured log call", "no \\ud800")], "\\udfff": 1, "duration": 0.5, "when": None}
    assert isinstance(sent["sections"][0], tuple)
    str(sent).encode()
