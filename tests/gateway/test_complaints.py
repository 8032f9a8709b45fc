"""Complaints: each kind once in a while, with how often it happened."""

from __future__ import annotations

from structlog.testing import capture_logs

from gateway.complaints import COMPLAINT_SECONDS, Complaints


def test_the_same_is_logged_at_most_once_a_minute_with_its_number() -> None:
    now = 0.0
    complaints = Complaints(lambda: now)
    with capture_logs() as logged:
        for number in range(5):
            complaints.tell("bytes dropped", "sml", f"reason {number}")
        complaints.tell("bytes dropped", "bus", "another line")
        complaints.tell("readings not kept", "sml", "another complaint")
        now = COMPLAINT_SECONDS
        complaints.tell("bytes dropped", "sml", "again")
    assert [(line["event"], line["line"], line["reason"], line["times"]) for line in logged] == [
        ("bytes dropped", "sml", "reason 0", 1),
        ("bytes dropped", "bus", "another line", 1),
        ("readings not kept", "sml", "another complaint", 1),
        ("bytes dropped", "sml", "again", 5),
    ]
