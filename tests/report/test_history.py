from clvbook.report.history import dates, month_name, size


def test_months_are_written_with_their_dates():
    assert month_name("2026-10") == "October 2026"
    assert dates("2024-02") == "1–29 February 2024"


def test_sizes_are_written_for_people():
    assert [size(n) for n in (0, 999, 1_000, 12_345, 1_200_000, 45_600_000)] == [
        "0 bytes", "999 bytes", "1.0 kB", "12 kB", "1.2 MB", "46 MB",
    ]  # fmt: skip
