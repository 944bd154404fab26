"""`graphcomp bench`: the options, and what is printed and written."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import write_whole
from ..run.machine import copy_seconds, processor_name, processors
from .measure import Bench, Result, Settings
from .peers.worker import PEERS
from .plot import check_suffix, write_plot
from .process import default_interpreter
from .report import COLUMNS, STARTS, markdown, notes, reasons, rows, start_rows, to_json, warnings
from .workloads import WORKLOADS

PYTHONS = "GRAPHCOMP_BENCH_PYTHON"
QUICK_ROUNDS = 3


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of `graphcomp bench`."""
    command.add_argument(
        "workloads", nargs="*", metavar="WORKLOAD", help="such as lstm, or one task of it: lstm/adam; all if none given"
    )
    command.add_argument("--list", action="store_true", help="show the workloads and their tasks, and measure nothing")
    command.add_argument("--peers", metavar="NAMES", help=f"of {','.join(PEERS)} (default all); 'none' for none")
    command.add_argument(
        "--python", action="append", default=[], metavar="[NAME=]PATH",
        help=f"the interpreter that has a peer, or all of them; also in {PYTHONS}, separated by spaces",
    )  # fmt: skip
    command.add_argument("--threads", type=int, help="for every candidate (default: all CPUs that may be used)")
    command.add_argument("--rounds", type=int, default=7, help="of alternating blocks (default %(default)s)")
    command.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, and no start with empty caches")
    command.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    command.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios: .svg, .png or .pdf")
    command.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables in Markdown")


def run(options: argparse.Namespace, colours: bool, width: int) -> int:
    """Measure and report; the status is 0 even where goals are missed."""
    if options.list:
        print("\n".join(f"{w.name:<12} {w.title} ({', '.join(w.tasks)})" for w in WORKLOADS.values()))
        return 0
    chosen = selected(options.workloads)
    settings = _settings(options)
    for path in (options.json, options.plot, options.markdown):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"there is no folder {path.parent} to write {path.name} to.")
    if options.plot is not None:
        check_suffix(options.plot)
    bench = Bench(settings, lambda line: print(line, file=sys.stderr, flush=True))
    results = [result for name, tasks in chosen.items() for result in bench.workload(WORKLOADS[name], tasks)]
    _print(results, colours, width)
    _write(options, results, about(settings, bench))
    return 0


def selected(names: Sequence[str]) -> dict[str, list[str]]:
    """The tasks asked for by workload, in the order of the catalogue; raises InputError for an unknown name."""
    if not names:
        return {name: list(workload.tasks) for name, workload in WORKLOADS.items()}
    wanted: dict[str, set[str]] = {}
    for text in names:
        name, _, task = text.partition("/")
        if name not in WORKLOADS:
            raise InputError(f"there is no workload {name!r}; there are {', '.join(WORKLOADS)}.")
        tasks = WORKLOADS[name].tasks
        if task and task not in tasks:
            raise InputError(f"{name} has no task {task!r}; it has {', '.join(tasks)}.")
        wanted.setdefault(name, set()).update([task] if task else tasks)
    return {
        name: [task for task in workload.tasks if task in wanted[name]]
        for name, workload in WORKLOADS.items()
        if name in wanted
    }


def chosen_peers(text: str | None) -> list[str]:
    if text is None:
        return list(PEERS)
    names = [name for name in text.replace(",", " ").split() if name != "none"]
    for name in names:
        if name not in PEERS:
            raise InputError(f"there is no peer {name!r}; there are {', '.join(PEERS)}.")
    return list(dict.fromkeys(names))


def interpreters(peers: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    """Which interpreter each peer runs in: its own, else that for all, else the one that runs now."""
    found: dict[str, str] = {}
    for text in (*os.environ.get(PYTHONS, "").split(), *given):
        name, sign, path = text.rpartition("=")
        if sign and name not in PEERS:
            raise InputError(f"there is no peer {name!r}; there are {', '.join(PEERS)}.")
        if not os.access(path, os.X_OK):
            raise InputError(f"{path!r} is no interpreter that can be run.")
        found[name] = os.path.abspath(path)
    everyone = found.get("", default_interpreter())
    return {peer: found.get(peer, everyone) for peer in peers}


def _settings(options: argparse.Namespace) -> Settings:
    threads = processors() if options.threads is None else options.threads
    if not 1 <= threads <= processors():
        raise InputError(f"--threads is from 1 to {processors()}, the CPUs that may be used, not {threads}.")
    if options.rounds < 1:
        raise InputError(f"--rounds is at least 1, not {options.rounds}.")
    return Settings(
        peers=interpreters(chosen_peers(options.peers), options.python),
        interpreter=default_interpreter(),
        threads=threads,
        rounds=min(options.rounds, QUICK_ROUNDS) if options.quick else options.rounds,
        starts=not options.quick,
    )


def about(settings: Settings, bench: Bench) -> dict[str, Any]:
    """The machine, and how it was measured."""
    size = 1 << 27
    return {
        "processor": processor_name(),
        "threads": settings.threads,
        "python": sys.version.split()[0],
        "graphcomp": importlib.metadata.version("graphcomp"),
        "matrix_flops_per_second": bench.peak("float32"),
        "copy_bytes_per_second": size / copy_seconds(size, settings.threads),
        "rounds": settings.rounds,
        "block_seconds": settings.block,
        "pause_seconds": settings.pause,
    }


def _print(results: Sequence[Result], colours: bool, width: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=max(width, 120), no_color=not colours, highlight=False)
    tables: list[tuple[str, Sequence[str], Iterator[tuple[str, ...]]]] = [
        ("Times (median of rounds), and ratios within a round", COLUMNS, rows(results))
    ]
    if any(found.warm is not None for result in results for found in result.measured.values()):
        tables.append(("Starts, and memory above that after the import", STARTS, start_rows(results)))
    for title, headings, cells in tables:
        table = Table(title=Text(title), title_justify="left")
        for heading in headings:
            table.add_column(heading, justify="left" if heading in ("task", "") else "right", overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
    for line in (*reasons(results), *warnings(results), *notes(results)):
        console.print(Text(line))


def _write(options: argparse.Namespace, results: Sequence[Result], machine: dict[str, Any]) -> None:
    if options.json is not None:
        print(f"written to {write_whole(options.json, to_json(results, machine))}")
    if options.markdown is not None:
        print(f"written to {write_whole(options.markdown, markdown(results))}")
    if options.plot is not None:
        print(f"written to {write_plot(results, options.plot)}")
