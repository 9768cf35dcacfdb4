"""Times, durations and sizes as people read them, in both languages."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask

from webcloud.db import now
from webcloud.frontend import formats
from webcloud.instances import faults


@pytest.mark.parametrize(
    ("seconds", "english", "vietnamese"),
    [
        (None, "", ""),
        (0.0421, "42 ms", "42 ms"),
        (0.45, "0.5 s", "0,5 giây"),
        (12.4, "12 s", "12 giây"),
        (185, "3 min 5 s", "3 phút 5 giây"),
        (7440, "2 h 4 min", "2 giờ 4 phút"),
    ],
)
def test_a_duration_is_short_and_exact_enough(
    app: Flask, seconds: float | None, english: str, vietnamese: str
) -> None:
    for language, words in (("en", english), ("vi", vietnamese)):
        with app.test_request_context("/", headers={"Accept-Language": language}):
            assert formats.took(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1,023 B"),
        (1536, "1.5 KB"),
        (128 * 1024**2, "128 MB"),
        (47 * 1024**3, "47 GB"),
        (5000 * 1024**5, "5,000 PB"),
    ],
)
def test_a_size_has_the_largest_fitting_unit(app: Flask, count: int | None, words: str) -> None:
    with app.test_request_context("/"):
        assert formats.size(count) == words


def test_a_moment_is_relative_with_the_exact_time_on_hover(app: Flask) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "vi"}):
        assert "2 giờ trước" in formats.ago(now() - timedelta(hours=2))
        assert "vừa xong" in formats.ago(now())
        assert formats.ago(None) == "–"
        text = formats.ago(datetime(2026, 1, 2, 3, 4, 5))
        assert 'datetime="2026-01-02T03:04:05+00:00"' in text
        assert 'title="2026-01-02 03:04:05 UTC"' in text


def test_a_link_keeps_the_other_parameters(app: Flask) -> None:
    with app.test_request_context("/instances?q=a+b&page=3"):
        assert formats.link_with(page=None, sort="name") == "/instances?q=a+b&sort=name"
        assert formats.link_with(page="", q=None) == "/instances"


def test_a_fault_is_told_by_its_code_in_the_readers_language(app: Flask) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "vi"}):
        assert faults.title("no_capacity", "") == "Không máy chủ nào đủ chỗ"
        assert faults.title("io", "Bật máy ảo") == "Bật máy ảo: thất bại"
        assert faults.title("io", "") == "Thao tác: thất bại"
        assert "thử lại" in faults.next_step("io")
        assert faults.next_step("cancelled").startswith("Hãy xóa")
