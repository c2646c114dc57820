def test_a_month_is_published(desk):
    desk.write(
        "1_first",
        "## Part\n\nText.",
        "print('hello', shop)",
        kpis=[{"name": "n", "label": "N", "value": 1, "text": "1"}],
    )
    desk.write(
        "2_second", "import os, pathlib\npathlib.Path(os.environ['CLVBOOK_TABLES'], 't.csv').write_text('a\\n1\\n')"
    )
    events = []
    published = desk.run(progress=events.append)
    assert (published.status, published.revision) == ("published", 1)
    assert published.index == desk.month / "index.html"
