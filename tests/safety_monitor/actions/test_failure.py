"""What an error says, in one line, of whoever it may be from."""

from safety_monitor.actions.failure import LONGEST, one_line


def test_an_error_is_one_line_without_secrets_that_commands_no_terminal() -> None:
    said = "535 5.7.8\r\nno:\x1b]0;all is well\x07 p%40ss \x9b2J" + "x" * LONGEST
    told = one_line(OSError(said), ("p@ss",))
    assert told.startswith("535 5.7.8 no:�]0;all is well� *** �2Jxxx")
    assert len(told) == LONGEST
