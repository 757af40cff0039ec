"""Words, help, exit codes and streams: what holds for every verb."""

from __future__ import annotations

import io
import shlex
import sys
import types
from typing import Any

import pytest

from makespan import __version__
from makespan.cli import main, terminal
from makespan.cli.codes import Exit
from makespan.cli.parser import VERBS, verb_module, verb_parser
from makespan.cli.terminal import ReaderGoneError, Terminal, one_line, printable
from makespan.errors import MakespanError, OptionError


@pytest.fixture
def verb(monkeypatch):
    """Put a verb in the place of ``doctor``; the test says what it does."""
    made: Any = types.ModuleType("makespan.cli.doctor")
    made.EXAMPLES = ("makespan doctor", "makespan doctor --json")
    made.prepare_parser = lambda parser: None
    made.run = lambda options, terminal: 0
    monkeypatch.setitem(sys.modules, "makespan.cli.doctor", made)
    return made


def test_version_goes_to_stdout(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"makespan {__version__}\n", "")


def test_help_names_every_verb_and_every_exit_code(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in VERBS:
        assert f"\n  {name} " in out
    assert "130 Ctrl-C" in out


@pytest.mark.parametrize("name", [None, *VERBS])
def test_help_ends_with_two_examples(name, capsys):
    assert main([*([name] if name else []), "--help"]) == 0
    head, _, examples = capsys.readouterr().out.rstrip("\n").rpartition("examples:\n")
    lines = examples.splitlines()
    assert head
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line)
        assert line == f"  {line.strip()}"
        assert words[:1] == ["makespan"]
        assert words[1] in VERBS if name is None else words[1] == name
        module = verb_module(words[1])
        verb_parser(words[1], module).read(words[2:])  # the options exist, and their values are right


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_the_common_options(name):
    parser = verb_parser(name, verb_module(name))
    known = set(parser._option_string_actions)
    assert {"--json", "-q", "--quiet", "-v", "--verbose", "--color", "-h", "--help"} <= known


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a verb is needed"),
        (["optimise"], "did you mean 'optimize'?"),
        (["zzz"], "verbs: profile, optimize"),
        (["--jsn", "run"], "unknown option '--jsn'"),
        (["run", "--thread", "2"], "did you mean '--threads'?"),
        (["run", "--threds=2"], "did you mean '--threads'?"),
        (["report", "--opn"], "did you mean '--open'?"),
        (["doctor", "word"], "a word too many: 'word'"),
        (["run", "--plan"], "--plan"),
        (["run", "--color", "red"], "auto, always or never, not 'red'"),
        (["profile", "--sampler", "gill"], "auto, gil, canary or clocks, not 'gill'"),
        (["optimize", "--time-limit", "nan"], "above 0 up to 1e+07, not 'nan'"),
        (["optimize", "--time-limit", "0"], "not '0'"),
        (["optimize", "--seed", "-1"], "not '-1'"),
        (["optimize", "--gap", "1"], "not '1'"),
        (["optimize", "--cores", "inf"], "not 'inf'"),
        (["what-if", "--threads", "4..1"], "the range '4..1' is empty"),
        (["what-if", "--threads", "1,,2"], "not ''"),
        (["profile", "--runs", "0"], "from 1 to 1000, not '0'"),
        (["run", "-o", ""], "a file is needed"),
    ],
)
def test_wrong_words_are_answered_in_one_line(words, said, capsys):
    assert main(words) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("makespan: error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("verb_name", ["run", "optimize", "tune", "demo", "what-if"])
@pytest.mark.parametrize("budget", ["0", "-1", "nan", "abc", "1.5", "99999", ""])
def test_a_thread_budget_that_cannot_be(verb_name, budget, capsys):
    assert main([verb_name, "--threads", budget]) == Exit.USAGE
    limits = "1 to 1024" if verb_name == "what-if" else "1 to 1024 or auto"
    assert f"a thread budget is a whole number from {limits}, not {budget!r}" in capsys.readouterr().err


def test_options_may_stand_anywhere(verb, capsys):
    seen: list[tuple[object, ...]] = []

    def run(options, terminal):
        seen.append((options.first, options.second, options.json))
        return 0

    verb.prepare_parser = lambda parser: (
        parser.add_argument("first", nargs="?"),
        parser.add_argument("second", nargs="?"),
    )
    verb.run = run
    assert main(["doctor", "a", "--json", "b"]) == 0
    assert main(["doctor", "--json", "a", "b"]) == 0
    assert main(["doctor", "a", "b", "--json"]) == 0
    assert main(["doctor", "-", "--json"]) == 0
    assert seen == [("a", "b", True)] * 3 + [("-", None, True)]


@pytest.mark.parametrize("code", list(Exit))
def test_the_exit_code_of_a_verb_is_handed_on(verb, code):
    verb.run = lambda options, terminal: code
    assert main(["doctor"]) == code


def test_bad_input_is_one_line_without_a_traceback(verb, capsys):
    def run(options, terminal):
        raise MakespanError("two\nlines\x1b[31m", where="here", hint="do that")

    verb.run = run
    assert main(["doctor"]) == Exit.USAGE
    assert capsys.readouterr().err == "makespan: error: here: two lines\\x1b[31m (do that)\n"
    assert main(["doctor", "-v"]) == Exit.USAGE
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_our_own_shows_its_traceback(verb, capsys):
    verb.run = lambda options, terminal: 1 // 0
    assert main(["doctor"]) == Exit.INTERNAL
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("a fault of makespan itself: ZeroDivisionError: integer division or modulo by zero\n")


def test_ctrl_c_is_130(verb, capsys):
    def run(options, terminal):
        raise KeyboardInterrupt

    verb.run = run
    assert main(["doctor"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "makespan: interrupted\n"


def test_a_reader_that_has_gone_is_no_error(verb, capsys):
    def run(options, terminal):
        raise ReaderGoneError

    verb.run = run
    assert main(["doctor"]) == Exit.OK
    assert capsys.readouterr() == ("", "")


def test_our_warnings_become_lines_and_others_stay(verb, capsys, recwarn):
    import warnings

    from makespan.cli.reading import heed_profile_warnings
    from makespan.profile import ProfileWarning

    def run(options, terminal):
        heed_profile_warnings()
        warnings.warn("twice", ProfileWarning, stacklevel=1)
        warnings.warn("twice", ProfileWarning, stacklevel=1)
        return 0

    verb.run = run
    assert main(["doctor", "--quiet"]) == Exit.OK
    assert capsys.readouterr().err == "makespan: warning: twice\n" * 2


class Tty(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("color", "environment", "expected"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
    ],
)
def test_colours(color, environment, expected, monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Terminal(color=color).colored(Tty()) is expected


def test_no_colour_without_a_terminal(capsys):
    assert not Terminal().colored()
    assert main(["zzz"]) == Exit.USAGE
    assert "\x1b" not in capsys.readouterr().err


def test_colour_when_asked_for(verb, capsys):
    def run(options, terminal):
        raise MakespanError("no")

    verb.run = run
    assert main(["doctor", "--color", "always"]) == Exit.USAGE
    assert capsys.readouterr().err == "makespan: \x1b[1;31merror:\x1b[0m no\n"


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_missing_stderr_is_nobodys_loss(stream, monkeypatch, tmp_path):
    if stream == "closed":
        stream = (tmp_path / "x").open("w")
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    Terminal().error("unheard")


def test_a_missing_stdout_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OptionError, match="standard output: is closed"):
        Terminal().emit("data")


def test_a_stdout_of_text_only_takes_what_is_text(monkeypatch):
    """As a notebook's is."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    Terminal().emit("{}→".encode())
    assert out.getvalue() == "{}→"
    with pytest.raises(OptionError, match="takes text only"):
        Terminal().emit(b"\x89PNG\x00\x00")


def test_pictures_do_not_go_to_a_terminal(monkeypatch):
    monkeypatch.setattr(terminal, "is_tty", lambda stream: True)
    with pytest.raises(OptionError, match="cannot be shown on a terminal"):
        Terminal().emit(b"\x89PNG\x00\x00")


def test_printable():
    assert printable("größer → ✓") == "größer → ✓"
    assert printable("a\x1b]0;title\x07\n\u202eb") == "a\\x1b]0;title\\x07\\n\\u202eb"
    assert one_line(" a\n\tb\r\nc ") == "a b c"
