"""Encodings and formats of parts, and of all tables; messages name the options of the table at hand."""

import pytest

from recsys.config import parse
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import validate


def tables(folder, **files):
    """A config of tables with the bytes given."""
    paths = {}
    for name, content in files.items():
        paths[name] = folder / f"{name}.csv"
        paths[name].write_bytes(content)
    return paths


def found(paths, **options):
    config = parse(DataConfig, {**paths, **options}, "test")
    return [f"{issue.file.stem}: {issue.found} -> {issue.remedy}" for issue in validate(config)]


EVENTS = b"user_id,item_id,timestamp\na,x,1600000000\nb,y,1600000100\n"


def test_a_part_with_a_mark_of_utf8_is_read_so_whatever_encoding_is_given(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.csv").write_bytes(EVENTS)
    (tmp_path / "parts" / "2.csv").write_bytes(b"\xef\xbb\xbf" + EVENTS.replace(b"b,y", "b,ö".encode()))
    config = parse(
        DataConfig, {"interactions": tmp_path / "parts", "encoding": "cp1252", "duplicates": "first"}, "test"
    )
    checked = validate(config)
    assert not checked.failed
    assert "ö" in checked.typed.interactions[0].item.ids


def test_a_table_that_is_utf8_and_read_otherwise_is_told_with_its_own_option(tmp_path):
    items = "item_id,title\nx,Café\ny,Möbel\n".encode()
    paths = tables(tmp_path, interactions=EVENTS, items=items)
    told = " ".join(found(paths, encoding="cp1252"))
    assert "items: the file is UTF-8, not cp1252, and read so: 'x,Café' would become 'x,CafÃ©'" in told
    assert 'data.items_format.encoding = "utf-8" says so' in told
    assert "UTF-8" not in " ".join(found(paths, encoding="cp1252", items_format={"encoding": "utf-8"}))
    paths = tables(tmp_path, items="item_id,title\nx,Café\ny,Möbel\n".encode("cp1252"))
    assert "UTF-8" not in " ".join(found({"interactions": tmp_path / "interactions.csv", **paths}, encoding="cp1252"))


def test_messages_about_cells_name_the_options_of_their_table(tmp_path):
    users = b"user_id;born\na;13.09.1985\nb;24.12.1990\n"
    items = b"item_id;price\nx;12,50\ny;7,25\nz;k.A.\n" + b"".join(b"i%d;%d,10\n" % (n, n) for n in range(12))
    told = found(tables(tmp_path, interactions=EVENTS, users=users, items=items))
    assert any(
        "users: dates are not" in text and 'data.users_format.time_format = "%d.%m.%Y" says so' in text for text in told
    )
    assert any("items: numbers are" in text and "data.items_format.decimal" in text for text in told)


def parts(folder, **files):
    (folder / "parts").mkdir()
    for name, content in files.items():
        (folder / "parts" / name.replace("_", ".")).write_bytes(content)
    return {"interactions": folder / "parts", "duplicates": "first"}


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_each_part_is_read_in_its_encoding_and_those_in_utf8_are_named(encoding, tmp_path):
    paths = parts(
        tmp_path, a_csv="user_id,item_id\nJörg,Bär\n".encode("cp1252"), b_csv="user_id,item_id\nJörg,Ál\n".encode()
    )
    assert "a.csv: the file is not UTF-8" in found(paths)[0]
    checked = validate(parse(DataConfig, {**paths, "encoding": encoding}, "test"))
    assert not checked.failed
    assert [*checked.typed.interactions[0].user.distinct] == ["Jörg"]
    told = " ".join(issue.found for issue in checked)
    assert f"1 part is UTF-8, not {encoding}, and read so (b.csv): 'Jörg,Á" in told


def test_a_part_with_a_mark_of_utf16_is_read_so_beside_parts_of_another_encoding(tmp_path):
    text = "user_id,item_id\nJörg,Bär\n"
    paths = parts(tmp_path, a_csv=text.encode("cp1252"), b_csv=text.encode("utf-16"))
    checked = validate(parse(DataConfig, {**paths, "encoding": "cp1252"}, "test"))
    assert [*checked.typed.interactions[0].user.distinct] == ["Jörg"]


def test_text_in_an_encoding_of_several_bytes_a_character_is_read_as_the_config_says(tmp_path):
    paths = parts(tmp_path, a_csv="user_id,item_id\n联通,x\n".encode("gbk"))
    checked = validate(parse(DataConfig, {**paths, "encoding": "gbk"}, "test"))
    assert [*checked.typed.interactions[0].user.distinct] == ["联通"]


def test_parts_of_text_and_json_are_one_table(tmp_path):
    line = b'{"item_id": 7, "user_id": "a", "timestamp": 1600000100.0}\n'
    paths = parts(tmp_path, a_csv=b"user_id,item_id,timestamp\na,8,2020-01-01\n", b_jsonl=line)
    checked = validate(parse(DataConfig, paths, "test"))
    assert not checked.failed
    assert [*checked.typed.interactions[0].item.ids] == [8, 7]
    (tmp_path / "parts" / "b.jsonl").write_bytes(line + line.replace(b"7", b"null"))
    assert any("b.jsonl line 2" in str(issue) for issue in validate(parse(DataConfig, paths, "test")))


def test_numbers_of_json_beside_texts_with_zeros_at_the_front_are_an_error(tmp_path):
    line = b'{"user_id": "a", "item_id": 7}\n'
    told = found(parts(tmp_path, a_csv=b"user_id,item_id\na,007\n", b_jsonl=line))
    assert any("b.jsonl has numbers, and a.csv has zeros at the front, as '007'" in text for text in told)


def test_parts_that_are_no_one_table_are_named_by_format_beside_what_else_is_wrong(tmp_path):
    paths = parts(
        tmp_path,
        a_csv=b"user_id,item_id,timestamp\na,x,soon\n",
        b_csv=b"user_id,item_id,timestamp\na,y,2020-01-01\n",
        c_jsonl=b'{"user_id": "a", "item_id": ["x"], "timestamp": 1}\n',
    )
    told = " ".join(found(paths))
    assert "several formats (text: a.csv, b.csv; JSON: c.jsonl), and the JSON has values that are no texts" in told
    assert "'soon' is no time" in told
