"""Control characters of titles, ids and messages reach no terminal."""

import pytest

from pipelines.cli_arguments import show, users_override
from recsys.tracking import ConsoleTracker, one_line, printable

NASTY = ["\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\r\x08", "\u202eabc", "\x7f", "\x00"]


@pytest.mark.parametrize("text", NASTY)
def test_a_control_character_is_shown_and_not_obeyed(text, capsys):
    show(f"before{text}after")
    ConsoleTracker().info(f"before{text}after")
    captured = capsys.readouterr()
    for printed in (captured.out, captured.err):
        assert "\\u00" in printed or "\\u202e" in printed
        assert not set(text) & set(printed) - set("abc[]0123456789;Jmowned")


def test_letters_of_any_script_and_lines_stay():
    text = "\u0416\u4e2d \U0001f3ac caf\u00e9\n\tnext"
    assert printable(text) == text
    assert one_line("a\r\n\tb") == "a b"


def test_a_long_list_of_users_on_the_command_line_is_no_path():
    ids = ",".join(str(n) for n in range(5000))
    assert users_override(ids)[0].startswith("recommend.users=[0, 1, 2")
