"""What the config has settled is a note; what nobody has looked at yet is a warning."""

import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import to_json, to_text, validate

ROWS = ["1;7;2024-01-01;2", "1;8;2024-01-02;1", "1;8;2024-01-02;1", "2;9;2024-01-03;-1", "2;7;2024-01-03;1"]


@pytest.fixture
def validated(tmp_path):
    def validating(header="user_id;item_id;day;Menge", rows=ROWS, **options):
        (tmp_path / "x.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        (tmp_path / "items.csv").write_text(
            'item_id;price;code;text;fax\n7;1,50;9;"a\nb";\n8;2,25;9;c;\n', encoding="utf-8"
        )
        raw = {"interactions": tmp_path / "x.csv", "items": tmp_path / "items.csv", "duplicates": "first", **options}
        raw["columns"] = {"time": "day", **raw.get("columns", {})}
        return validate(DataConfig.model_validate(raw))

    return validating


def found(validation, severity):
    return [(issue.column, issue.found) for issue in validation if issue.severity == severity]


def test_guesses_and_unknown_ids_are_warnings_until_the_config_says_so(validated):
    before = validated()
    told = " ".join(text for _, text in found(before, "warning"))
    for text in ("separated by ';'", "not in items.csv", "'1,50'", "every cell"):
        assert text in told
    assert any("line ends inside quotes" in text for _, text in found(before, "note"))
    kinds = {"price": "numeric", "code": "ignored", "text": "text", "fax": "ignored"}
    says = {"separator": ";", "unknown_ids": "add", "item_schema": kinds, "decimal": ","}
    says["items_format"] = {"quoting": "csv"}
    after = validated(columns={"weight": "Menge"}, positive_from=1, **says)
    assert found(after, "warning") == []
    assert not any("line ends inside quotes" in text for _, text in found(after, "note"))
    notes = " ".join(text for _, text in found(after, "note"))
    for text in ("not in items.csv", "the first is kept", "every cell is missing"):
        assert text in notes
    assert "note " in to_text(after)
    assert '"warnings": 0' in to_json(after)


def test_most_items_without_a_row_are_a_warning_whatever_the_config_says(validated):
    rows = [*ROWS, "2;10;2024-01-04;1", "2;11;2024-01-04;1"]
    told = [issue for issue in validated(rows=rows, unknown_ids="add").issues.warnings if "not in" in issue.found]
    assert [issue.found for issue in told] == ["3 of the 5 items (60%) are not in items.csv, as 9"]
    assert "check that items.csv is whole: most items are not recommended" in told[0].remedy
    assert "recommend.unlisted = true" in told[0].remedy
    told = [issue for issue in validated(rows=rows, unknown_ids="drop").issues.warnings if "not in" in issue.found]
    assert "most items are not read, as data.unknown_ids says" in told[0].remedy
    assert not [issue for issue in validated(unknown_ids="add").issues.warnings if "not in" in issue.found]


def test_unknown_users_are_not_said_to_be_recommended(validated, tmp_path):
    (tmp_path / "people.csv").write_text("user_id;age\n1;30\n", encoding="utf-8")
    told = [issue for issue in validated(users=tmp_path / "people.csv") if "not in people.csv" in issue.found]
    assert [issue.column for issue in told] == ["user_id"]
    assert "their features are missing" in told[0].remedy
    assert "recommended" not in told[0].remedy


def test_a_note_of_a_column_that_nothing_reads_is_no_warning(validated):
    rows = [f"{row};1,50" for row in ROWS]
    unread = validated("user_id;item_id;day;Menge;Preis", rows)
    assert ("Preis", "numbers as '1,50' are read with the decimal mark ','") in found(unread, "note")
    read = validated("user_id;item_id;day;Menge;Preis", rows, columns={"weight": "Preis"})
    assert ("Preis", "numbers as '1,50' are read with the decimal mark ','") in found(read, "warning")


@pytest.mark.parametrize(
    ("column", "cell", "warned"),
    [
        ("Menge", "-1", True),
        ("qty", "-2,00", True),
        ("orderQuantity", "-1.0", True),
        ("Anzahl", "3-", True),
        ("amount", "0", False),
        ("temperature", "-1", False),
        ("country", "-1", False),
        ("Menge", "-", False),
    ],
)
def test_negative_quantities_that_no_option_names_are_warned_of_with_the_option(validated, column, cell, warned):
    rows = [*(f"{n};7;2024-01-0{n};1" for n in range(1, 8)), f"8;7;2024-01-08;{cell}"]
    rows += [f"{n};8;2024-02-{n};1" for n in range(10, 20)]
    issues = [issue for issue in validated(f"user_id;item_id;day;{column}", rows) if "below zero" in issue.found]
    assert len(issues) == warned
    for issue in issues:
        assert (issue.severity, issue.column, issue.rows.tolist()) == ("warning", column, [7])
        assert issue.found.startswith("1 row is below zero, as ")
        assert f'data.columns.weight = "{column}" and data.positive_from = 1' in issue.remedy
