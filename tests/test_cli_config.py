"""Settings: pyproject.toml < variables < options; what is misspelt or of a wrong type is refused."""

from __future__ import annotations

import re

import pytest

from makespan.cli.config import KEYS, from_environment, from_file, settings
from makespan.cli.entry import _read
from makespan.cli.parser import verb_module, verb_parser
from makespan.errors import OptionError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty folder without settings."""
    monkeypatch.chdir(tmp_path)
    for key in KEYS:
        monkeypatch.delenv(f"MAKESPAN_{key.replace('-', '_').upper()}", raising=False)
    return tmp_path


def configure(folder, text):
    (folder / "pyproject.toml").write_text(f"[tool.makespan]\n{text}\n")


def test_each_source_overrides_the_one_before(here, monkeypatch):
    assert _read(["optimize"])[1].seed == 0
    configure(here, "seed = 1\nthreads = 3")
    assert _read(["optimize"])[1].seed == 1
    monkeypatch.setenv("MAKESPAN_SEED", "2")
    assert _read(["optimize"])[1].seed == 2
    options = _read(["optimize", "--seed", "3"])[1]
    assert (options.seed, options.threads) == (3, 3)


def test_every_key_is_an_option_of_some_verb():
    known = {
        action.dest
        for name in ("profile", "optimize", "tune", "run", "demo")
        for action in verb_parser(name, verb_module(name))._actions
    }
    assert {key.replace("-", "_") for key in KEYS} <= known


def test_a_setting_counts_only_where_the_option_is(here):
    configure(here, 'threads = 3\ntime-limit = 2\nargs = ["x"]')
    assert settings(verb_parser("report", verb_module("report"))) == {}
    assert settings(verb_parser("what-if", verb_module("what-if"))) == {
        "time_limit": 2.0
    }  # its --threads is a list
    assert settings(verb_parser("run", verb_module("run"))) == {"threads": 3, "args": ["x"]}


def test_auto_threads_are_a_setting_too(here, monkeypatch):
    configure(here, 'threads = "auto"')
    assert _read(["optimize"])[1].threads == "auto"
    assert _read(["demo"])[1].threads == "auto"
    assert _read(["run", "--threads", "2"])[1].threads == 2
    monkeypatch.setenv("MAKESPAN_THREADS", "3")
    assert _read(["optimize"])[1].threads == 3
    monkeypatch.setenv("MAKESPAN_THREADS", "auto")
    assert _read(["optimize"])[1].threads == "auto"
    monkeypatch.setenv("MAKESPAN_THREADS", "atuo")
    with pytest.raises(OptionError, match=r"MAKESPAN_THREADS: .* from 1 to 1024 or auto, not 'atuo'"):
        _read(["optimize"])


def test_all_types(here):
    configure(
        here,
        'target = "p:d"\nargs = {url = "x"}\nthreads = 2\ncores = 1.5\ntime_limit = 3\nseed = 4\n'
        "workers = 1\ngap = 0.01\ndeterministic = false\nruns = 7\nwarm-ups = 2\nrepeats = 3\n"
        'sampler = "clocks"\npairs = false\ntrials-limit = 2.5\nstatistic = "p90"\n'
        'timeout = 9\non-error = "continue"\ntargets = "a, b"\nroots = ["c"]\nwithout = []\n'
        "processes = 0\nnative-threads = false\nconfidence = 0.9\n"
        'allow-stale = true\ncolor = "never"\nquiet = true\nverbose = false',
    )
    found = from_file(here)
    assert (found["targets"], found["roots"]) == (["a", "b"], ["c"])
    assert found["args"] == {"url": "x"}
    assert found["time_limit"] == 3.0
    assert found["deterministic"] is False
    assert len(found) == len(KEYS)
    assert _read(["profile"])[1].target == "p:d"


def test_a_target_of_the_settings_gives_way_to_the_one_named(here):
    configure(here, 'target = "p:d"')
    assert _read(["run"])[1].target == "p:d"
    assert _read(["run", "q:e"])[1].target == "q:e"
    assert _read(["check", "plan.json"])[1].target == "p:d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thread = 2", "unknown key 'thread' (did you mean 'threads'?)"),
        ("zzz = 2", "unknown key 'zzz' (keys: target, args"),
        ('threads = "2"', "[tool.makespan] threads: is a whole number or 'auto', not '2'"),
        ('threads = "Auto"', "[tool.makespan] threads: is a whole number or 'auto', not 'Auto'"),
        ("threads = true", "[tool.makespan] threads: is a whole number or 'auto', not True"),
        ("threads = 2.0", "[tool.makespan] threads: is a whole number or 'auto', not 2.0"),
        ("threads = 0", "from 1 to 1024 or auto, not '0'"),
        ("time-limit = nan", "not 'nan'"),
        ("gap = [1]", "gap: is a number, not [1]"),
        ('deterministic = "yes"', "is true or false, not 'yes'"),
        ('sampler = "gill"', "not 'gill'"),
        ("x = = 1", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(text, said, here):
    configure(here, text)
    with pytest.raises(OptionError, match=re.escape(said)) as caught:
        _read(["optimize"])
    assert str(caught.value.where).startswith("pyproject.toml")


def test_a_table_that_is_none(here):
    (here / "pyproject.toml").write_text("[tool]\nmakespan = 3\n")
    with pytest.raises(OptionError, match="is not a table"):
        from_file(here)


def test_the_nearest_file_with_the_table_counts(here):
    configure(here, "seed = 5")
    deep = here / "a" / "b"
    deep.mkdir(parents=True)
    (here / "a" / "pyproject.toml").write_text("[project]\nname = 'uses-makespan'\n")
    assert from_file(deep) == {"seed": 5}
    (deep / "pyproject.toml").write_text("[tool.makespan]\nthreads = 1\n")
    assert from_file(deep) == {"threads": 1}


def test_a_broken_file_that_does_not_speak_of_us_is_no_affair_of_ours(here):
    (here / "pyproject.toml").write_text("[tool.other\n")
    assert from_file(here) == {}


def test_help_is_given_whatever_the_settings_say(here, capsys):
    from makespan.cli import main

    configure(here, "zzz = 1")
    assert main(["optimize", "--help"]) == 0
    assert main(["optimize"]) == 2
    assert "unknown key 'zzz'" in capsys.readouterr().err


def test_variables():
    found = from_environment(
        {"MAKESPAN_TIME_LIMIT": "2.5", "MAKESPAN_QUIET": "1", "MAKESPAN_ARGS": '["x"]', "PATH": "/bin"}
    )
    assert found == {"time_limit": 2.5, "quiet": True, "args": '["x"]'}
    assert from_environment({"MAKESPAN_THREADS": ""}) == {}
    assert from_environment({"MAKESPAN_DETERMINISTIC": "off"}) == {"deterministic": False}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAKESPAN_THREADS", "two", "MAKESPAN_THREADS: a thread budget is a whole number"),
        ("MAKESPAN_DETERMINISTIC", "perhaps", "a yes or no is one of true, false, not 'perhaps'"),
        ("MAKESPAN_THREAD", "2", "did you mean 'MAKESPAN_THREADS'?"),
        ("MAKESPAN_TIMELIMIT", "2", "did you mean 'MAKESPAN_TIME_LIMIT'?"),
    ],
)
def test_variables_that_are_wrong(name, value, said):
    with pytest.raises(OptionError, match=re.escape(said)):
        from_environment({name: value})


def test_variables_of_the_users_own_are_left_alone():
    assert from_environment({"MAKESPAN_DATA_FOLDER": "/x", "MAKESPANISH": "y"}) == {}
