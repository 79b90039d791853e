"""Encodings that are given for all tables, and messages that name the options of the table at hand."""

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
    assert "items: the file is UTF-8, but read as cp1252: 'x,Café' becomes 'x,CafÃ©'" in told
    assert 'data.items_format.encoding = "utf-8" reads it right' in told
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
