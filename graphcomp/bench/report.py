"""What was measured, as a table for people, as JSON for programs, and as Markdown for documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .measure import Measured, Result, Spread
from .process import OURS

COLUMNS = ("task", "time", "floor", "fastest other", "its time", "ratio", "middle half", "must", "reach", "")
STARTS = ("task", "cold start", "warm start", "memory", "known to us", "of peers: cold, warm, memory")
BUSY = 0.25
"""From how many CPUs used by others on the figures are doubtful."""
MARKS = {"reached": "reached", "met": "met", "missed": "missed", "unknown": "–"}


def duration(seconds: float | None) -> str:
    """Seconds as people read them."""
    if seconds is None:
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:.3g} MB"


def rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """The cells of the table of times."""
    for result in results:
        ours = result.measured[OURS]
        rival = result.measured.get(result.rival)
        their = rival.median if rival else None
        yield (
            result.name, duration(ours.median), duration(result.floor), result.rival or "–", duration(their),
            *_ratio(result.ratio), f"{result.goal.must:.2f}", f"{result.goal.reach:.2f}", MARKS[result.verdict],
        )  # fmt: skip


def _ratio(ratio: Spread | None) -> tuple[str, str]:
    return ("–", "–") if ratio is None else (f"{ratio.median:.2f}", f"{ratio.low:.2f}–{ratio.high:.2f}")


def start_rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """The cells of the table of starts and memory."""
    for result in results:
        ours = result.measured[OURS]
        known = sum(size for name, size in ours.memory.items() if name != "peak") or None
        peers = [
            f"{m.candidate} {duration(m.cold)}, {duration(m.warm)}, {megabytes(m.memory.get('peak'))}"
            for m in result.measured.values()
            if m is not ours and not m.reason
        ]
        yield (
            result.name, duration(ours.cold), duration(ours.warm), megabytes(ours.memory.get("peak")),
            megabytes(known), "; ".join(peers),
        )  # fmt: skip


def reasons(results: Sequence[Result]) -> Iterator[str]:
    """Who was not timed, and why; each said once for the tasks that share it."""
    shared: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for found in result.measured.values():
            if found.reason:
                shared.setdefault((found.candidate, found.reason), []).append(result.name)
    for (candidate, reason), names in shared.items():
        yield f"{candidate} ({', '.join(names)}): {reason}"


def notes(results: Sequence[Result]) -> Iterator[str]:
    """Where the data come from."""
    shared: dict[str, list[str]] = {}
    for result in results:
        if result.note and result.workload not in shared.setdefault(result.note, []):
            shared[result.note].append(result.workload)
    for note, names in shared.items():
        yield f"{', '.join(names)}: {note}"


def warnings(results: Sequence[Result]) -> Iterator[str]:
    """What makes the figures doubtful."""
    disturbed = [result.name for result in results if (result.busy or 0) > BUSY]
    if disturbed:
        yield (
            f"Other programs were running ({', '.join(disturbed)}): on a busy machine, several threads that wait for "
            "each other can take a hundred times as long; measure again when it is idle."
        )


def markdown(results: Sequence[Result]) -> str:
    """Both tables as docs/performance.md has them."""
    parts = [_markdown(COLUMNS, rows(results))]
    if any(result.measured[OURS].warm is not None for result in results):
        parts.append(_markdown(STARTS, start_rows(results)))
    told = [*reasons(results), *warnings(results), *notes(results)]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in told)]).rstrip() + "\n"


def _markdown(headings: Sequence[str], cells: Iterator[tuple[str, ...]]) -> str:
    lines = [headings, ["---"] * len(headings), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def to_json(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """Everything that was measured."""
    return json.dumps({"machine": dict(about), "results": [_plain(result) for result in results]}, indent=1) + "\n"


def _plain(result: Result) -> dict[str, Any]:
    ratio = result.ratio
    return {
        "name": result.name,
        "title": result.title,
        "data": result.note,
        "flops": result.work.flops,
        "bytes": result.work.bytes,
        "floor_seconds": result.floor,
        "processors_busy_elsewhere": result.busy,
        "against": result.goal.against,
        "rival": result.rival,
        "ratio": None if ratio is None else {"median": ratio.median, "low": ratio.low, "high": ratio.high},
        "must": result.goal.must,
        "reach": result.goal.reach,
        "verdict": result.verdict,
        "candidates": {name: _figures(found) for name, found in result.measured.items()},
    }


def _figures(found: Measured) -> dict[str, Any]:
    return {
        "version": found.version,
        "not_timed_because": found.reason or None,
        "variant": found.variant,
        "median_seconds": found.median,
        "block_seconds": found.times,
        "cold_seconds": found.cold,
        "warm_seconds": found.warm,
        "memory_bytes": found.memory,
    }
