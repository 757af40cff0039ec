"""Workflows made from recipes of real traces: WfChef of the package wfcommons, when it is installed.

Coleman, Casanova & Ferreira da Silva (2023), "WfChef: automated generation of accurate scientific workflow
generators": patterns of real workflows are repeated up to a size, and runtimes are drawn from what was
measured. The recipes are wfcommons' own (rnaseq is left out: its recipe has no edges).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import random
from typing import Any

from benchmarks.cases import Case, InstanceError, ticks

PREFIX = "wfchef"
RECIPES = {
    "1000genome": "GenomeRecipe",
    "blast": "BlastRecipe",
    "bwa": "BwaRecipe",
    "cycles": "CyclesRecipe",
    "epigenomics": "EpigenomicsRecipe",
    "montage": "MontageRecipe",
    "seismology": "SeismologyRecipe",
    "soykb": "SoykbRecipe",
    "srasearch": "SrasearchRecipe",
}
TASKS = 200


def missing() -> str | None:
    """Say why no workflow can be made, or None."""
    return None if importlib.util.find_spec("wfcommons") else "wfcommons is not installed"


def workflow(recipe: str, tasks: int, seed: int, group: str) -> Case:
    """Return a workflow of at most so many tasks.

    Raises
    ------
    InstanceError
        wfcommons is missing or knows no such recipe, or the recipe begins with more tasks.
    """
    if lacking := missing():
        raise InstanceError(lacking, where=group, hint='pip install "makespan[bench]"')
    if recipe not in RECIPES:
        raise InstanceError(
            f"there is no recipe {recipe!r}", where=group, hint=f"there are {', '.join(RECIPES)}"
        )
    numpy_random: Any = importlib.import_module("numpy.random")
    recipes: Any = importlib.import_module("wfcommons.wfchef.recipes")
    number = int.from_bytes(hashlib.sha256(f"{recipe} {tasks} {seed}".encode()).digest()[:4], "big")
    kept = random.getstate()
    random.seed(number)  # wfcommons draws from the common generators
    numpy_random.seed(number)
    try:
        made = getattr(recipes, RECIPES[recipe]).from_num_tasks(tasks).build_workflow()
    except ValueError as error:
        raise InstanceError(str(error), where=group) from error
    finally:
        random.setstate(kept)
    names = sorted(made.nodes, key=lambda name: int(name.rpartition("_")[2]))
    numbers = {name: i for i, name in enumerate(names)}
    preds = tuple(tuple(sorted(numbers[p] for p in made.predecessors(name))) for name in names)
    wall = ticks([float(made.nodes[name]["task"].runtime) for name in names])
    return Case(group, f"{recipe}-{tasks}-{seed}", wall, preds)
