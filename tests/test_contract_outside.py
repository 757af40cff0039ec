"""The contract of a run, part 2: what needs a process of its own (P3, P6, P7, P11, P12), and many threads.

Each script does many cases in one process; what it prints is compared. A script that would hang is killed,
and the long sleeps in nodes are longer than that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from makespan import dag, node
from makespan.testing import random_edges
from tests.ways import few_ways

ROOT = Path(__file__).resolve().parent.parent
BEGIN = """
import json, os, random, signal, sys, threading, time
from makespan import DAG
from makespan.testing import dag_of, random_edges
from tests.ways import Way
FEW = [
    Way(1), Way(1, "timed"), Way(1, "plain", "chains"), Way(2), Way(2, "locks", "ranks"),
    Way(2, "timed", "chains"), Way(2, "long", "chains"), Way(4, "locks", "chains", True),
]
"""


def script(code, *arguments, ends=0, **environment):
    """Run a script; returns what it printed, a line each. A hang fails the test."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=45,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == ends, (done.stdout[-2000:], done.stderr[-4000:])
    if not ends:
        assert not done.stderr
    return done.stdout.splitlines()


# -- P3: one Ctrl-C -----------------------------------------------------------------------------------------

CTRL_C = """
signal.signal(signal.SIGINT, signal.default_int_handler)
main = threading.main_thread()
held = threading.Lock()
held.acquire()
long, last = [], False


def sleeps():
    if threading.current_thread() is main or last:
        time.sleep(60)
    elif released.wait(60):
        return  # so that the next case finds a helper
    long.append("slept")


def computes():
    while not over:
        pass


def waits():
    held.acquire()
    held.release()


def case(way, within):
    global over, released, started
    over, released, started, late = False, threading.Event(), threading.Event(), []
    made = DAG("case")
    if within == "parked":
        in_helper = threading.Event()

        def either():
            if threading.current_thread() is main:
                in_helper.wait(30)
            else:
                in_helper.set()
                started.set()
                sleeps()

        two = [made.add(either, name="one"), made.add(either, name="two")]
        made.add(lambda *_: late.append(1), *two, name="late")
    else:
        inner = DAG("inner")
        inner.add(sleeps)
        body = {"sleep": sleeps, "python": computes, "lock": waits, "nested": lambda: way.run(inner)}[within]

        def work():
            started.set()
            body()

        made.add(lambda _: late.append(1), made.add(work, name="work", hint_s=9), name="late")
    fast = way.prepare(made)

    def press():
        started.wait(30)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    try:
        if way.traced:
            run = fast.run()
            caught = type(run.error).__name__, run.record.status
        else:
            fast()
            caught = "nothing"
    except KeyboardInterrupt:
        caught = "KeyboardInterrupt"
    presser.join()
    over = True
    released.set()
    print(json.dumps([str(way), within, caught, bool(late)]), flush=True)


for way in FEW:
    for within in ("sleep", "python", "lock", "nested", "parked"):
        if within != "parked" or way.threads > 1:
            case(way, within)
after = dag_of([[], [0], [0]], lambda i: lambda *_: i)
print(json.dumps([way.run(after) for way in FEW] == [{"n1": 1, "n2": 2}] * len(FEW)))
print(json.dumps(long), flush=True)
# And one that nobody catches: the process dies of it, although helpers still sleep.
last = True
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
dag_of([[], []], lambda _: sleeps).prepare(threads=2)()
"""


def test_one_ctrl_c_ends_a_run_whatever_its_nodes_are_in():
    *cases, usable, long = map(json.loads, script(CTRL_C, ends=-signal.SIGINT))
    assert len(cases) == 4 * 8 + 5
    for way, within, caught, late in cases:
        wanted = ["KeyboardInterrupt", "interrupted"] if way.endswith("traced") else "KeyboardInterrupt"
        assert caught == wanted, (way, within)
        assert not late, (way, within)
    assert usable is True  # the threads that were left behind are no longer needed
    assert long == []  # it did not wait for any of the long nodes


# -- P6: the same order under any hash seed -----------------------------------------------------------------

ORDER = """
from makespan import dag, node
order = []
made = DAG("order")
results = []
for i, some in enumerate(random_edges(60, seed=3)):
    name = f"{'xyzw'[i % 4]}{i}"
    locks = {"a", "b", "c"} if i % 5 == 0 else {"b"} if i % 7 == 0 else set()
    call = lambda *_, name=name: order.append(name)
    results.append(made.add(call, *[results[p] for p in some], name=name, lock=locks, tags={"u", "v", name}))
print(made.fingerprint)
for way in FEW:
    if way.threads == 1:
        for traced in (False, True):
            way._replace(traced=traced).run(made)
            print(" ".join(order))
            order.clear()
plan = Way(2, "locks", "chains").prepare(made).plan
import hashlib
print(hashlib.sha256(plan.to_json()).hexdigest())
"""


def test_the_order_is_the_same_under_any_hash_seed():
    first, *others = [script(ORDER, PYTHONHASHSEED=str(seed)) for seed in range(3)]
    assert len(first) == 8
    assert all(len(line.split()) == 60 for line in first[1:-1])
    assert others == [first] * 2


# -- P7: threads, forks, the end of the interpreter ---------------------------------------------------------


@few_ways
def test_eight_threads_use_one_dag_for_the_first_time_at_once(way):
    described, preds = [], random_edges(25, seed=4)

    @node
    def work(i, *got):
        return (i, *got)

    @dag
    def made(x):
        described.append(threading.get_ident())
        values = []
        for i, some in enumerate(preds):
            values.append(work(i if i else x, *[values[p] for p in some]))
        return values

    meet = threading.Barrier(8, timeout=20)
    wrong, got = [], []

    def client(x):
        try:
            meet.wait()
            for _ in range(4):
                found = made(x) if x % 2 else way.run(made, x)
                if (
                    found[0] != (x,)
                    or len(found) != len(preds)
                    or any(v[0] != i for i, v in enumerate(found) if i)
                ):
                    wrong.append(found)
            got.append(x)
        except BaseException as error:
            wrong.append(error)

    clients = [threading.Thread(target=client, args=(x,)) for x in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(60)
    assert not wrong
    assert sorted(got) == list(range(8))
    assert len(described) == 1


FORKS = """
signal.alarm(40)  # a child that hangs ends, and is not 0
preds = random_edges(20, seed=1)
busy = dag_of(preds, lambda i: lambda *_: time.sleep(0.0002))
wanted = {f"n{i}": i for i in range(20) if not any(i in some for some in preds)}
over = threading.Event()


def keep_busy():
    while not over.is_set():
        Way(4, "locks").run(busy)
        busy.prepare(threads=3)()


def forked(work):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.alarm(20)
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child():
    meet = threading.Barrier(3, timeout=15)
    together = dag_of([[]] * 3, lambda _: lambda: meet.wait() >= 0)
    own = dag_of(preds, lambda i: lambda *_: i)
    met = all(Way(3).run(together).values())
    return met and all(way.run(own) == wanted for way in FEW) and len(busy()) > 0


child()  # what is imported at first use is imported now: a fork within an import has no remedy
threads = [threading.Thread(target=keep_busy) for _ in range(2)]
for thread in threads:
    thread.start()
print([forked(child) for _ in range(6)])
inside = dag_of([[], [], [0, 1]], lambda _: lambda *_: forked(lambda: all(way.run(busy) for way in FEW)))
print(Way(2).run(inside), Way(1).run(inside))
over.set()
for thread in threads:
    thread.join()
# The parent is as it was: its helpers are still there.
meet = threading.Barrier(4, timeout=15)
print(all(dag_of([[]] * 4, lambda _: lambda: meet.wait() >= 0).prepare(threads=4)().values()))
"""


def test_after_a_fork_in_the_midst_of_runs():
    assert script(FORKS, PYTHONWARNINGS="ignore::DeprecationWarning") == [
        str([0] * 6),
        "{'n2': 0} {'n2': 0}",
        "True",
    ]


THE_END = """
import atexit
sleeping = threading.Semaphore(0)


def sleeps(*_):
    sleeping.release()
    time.sleep(60)


preds = random_edges(30, seed=2)
made = dag_of(preds, lambda i: lambda *_: i)
wanted = made.prepare(threads=1)()


for threads in (1, 8):
    fast = made.prepare(threads=threads)
    atexit.register(lambda fast=fast: print("at exit", fast() == wanted, flush=True))


def after_main():
    threading.main_thread().join()
    print("after main", all(way.run(made) == wanted for way in FEW), flush=True)


threading.Thread(target=after_main).start()
for _ in range(2):  # helpers and callers in the middle of a node
    threading.Thread(target=dag_of([[]] * 3, lambda _: sleeps).prepare(threads=3), daemon=True).start()
for _ in range(4):
    sleeping.acquire()
"""


def test_at_the_end_of_the_interpreter():
    assert script(THE_END) == ["after main True", "at exit True", "at exit True"]


# -- P5: the budget of a process ----------------------------------------------------------------------------

BUDGET = """
inside, most, lock = set(), [0], threading.Lock()


def work(*_):
    with lock:
        inside.add(threading.get_ident())
        most[0] = max(most[0], len(inside))
    time.sleep(0.0005)
    with lock:
        inside.discard(threading.get_ident())


made = dag_of(random_edges(40, seed=6), lambda _: work)
wrong = []
for way in [Way(3), Way(3, "locks", "ranks"), Way(3, "plain", "chains", True)]:
    clients = [threading.Thread(target=way.run, args=(made,)) for _ in range(5)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
helpers = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
print(most[0] <= 5 + 2, len(helpers) <= 2)
"""


def test_concurrent_calls_share_the_helpers():
    assert script(BUDGET) == ["True True"]


# -- P11: files old or new ----------------------------------------------------------------------------------

KILLED = """
from makespan import load_plan, load_record
folder = sys.argv[1]
made = dag_of(random_edges(300, seed=1), lambda i: lambda *_: i)
plans = [Way(threads, "locks").prepare(made).plan for threads in (1, 2)]
runs = [made.run(threads=threads) for threads in (1, 2)]
rng = random.Random(1)
outcomes = set()
for _ in range(12):
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(30)
        first = True
        while True:
            for plan, run in zip(plans, runs):
                plan.save(f"{folder}/plan.json")
                run.save(f"{folder}/run.json")
                if first:
                    os.write(writing, b"x")
                    first = False
    os.read(reading, 1)
    time.sleep(rng.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reading)
    os.close(writing)
    assert load_plan(f"{folder}/plan.json") in plans
    assert load_record(f"{folder}/run.json") in [run.record for run in runs]
    outcomes.add(load_plan(f"{folder}/plan.json").threads)
plans[0].save(f"{folder}/plan.json")  # what was left does not stand in the way
print("whole", sorted(outcomes))
"""


def test_a_process_killed_while_it_saves_leaves_whole_files(tmp_path):
    (line,) = script(KILLED, tmp_path, PYTHONWARNINGS="ignore::DeprecationWarning")
    assert line.startswith("whole")


# -- P12: no code from files --------------------------------------------------------------------------------

NO_CODE = """
import msgspec
from makespan import load_plan, load_profile, load_record
from makespan.cli import main
from makespan.from_table import profile_from_table
folder = sys.argv[1]
sys.path.insert(0, folder)
with open(f"{folder}/evil.py", "w") as file:
    file.write("print('RUN')")
names = ["evil", "evil.run", "__import__('evil')", "os.system('echo RUN')", "{evil}", "cos\\nsystem"]
rows = [{"name": name, "seconds": 1, "predecessors": ""} for name in names]
profile = profile_from_table(rows, cores=2, name="evil:dag")
replace = msgspec.structs.replace
profile = replace(
    profile,
    dag=replace(profile.dag, name="evil:dag", target="evil:dag"),
    shape=tuple(replace(s, location="evil:run", place="evil.py:1") for s in profile.shape),
)
profile.save(f"{folder}/profile.json")
made = DAG("evil")
for name in names:
    made.add(abs, -1, name=name)
plan = Way(2, "locks").prepare(made).plan
plan = replace(plan, dag=replace(plan.dag, name="evil", target="evil:dag"))
plan.save(f"{folder}/plan.json")
made.run(plan=plan).save(f"{folder}/run.json")
seen = []


def watch(event, args):
    if event.startswith(("pickle.", "os.system", "subprocess.", "os.exec", "os.posix_spawn")):
        seen.append(event)
    if event == "import" and str(args[0]).split(".")[0] == "evil":
        seen.append(args)


sys.addaudithook(watch)
load_profile(f"{folder}/profile.json")
plan = load_plan(f"{folder}/plan.json")
made.prepare(f"{folder}/plan.json")()
record = load_record(f"{folder}/run.json")
repr((plan, record)), plan.explain().text()
sys.stdout = sys.stderr = open(os.devnull, "w")
os.chdir(folder)
for verb in (
    "explain plan.json",
    "explain plan.json evil.run",
    "report run.json -o r.html",
    "report plan.json -o p.txt",
    "compare plan.json run.json",
    "check plan.json --runs run.json",
):
    try:
        main(verb.split())
    except SystemExit:
        pass
sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
print("evil" in sys.modules, seen)
"""


def test_no_code_from_files(tmp_path):
    assert script(NO_CODE, tmp_path) == ["False []"]
