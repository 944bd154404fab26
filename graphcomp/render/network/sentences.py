"""What the frames of a story over groups say, for each language."""

from __future__ import annotations

from collections.abc import Mapping

from ..sentences import language

ENGLISH = {
    "input": "{node} is the input {name}: {statistics}.",
    "group": "{group} makes {node} of {operands}: {statistics}.{parameters}",
    "made of parameters": "{group} makes {node} of its parameters alone: {statistics}.{parameters}",
    "parameters": " It has {count} parameters of its own, {entries} numbers in all.",
    "parameter": " It has a parameter of its own, {entries} numbers.",
    "result": " {node} is the result {result}.",
    "statistics": "{shape}, mean {mean}, deviation {deviation}, from {least} to {most}{zeros}",
    "zeros": ", {percent} % zeros",
    "start": "Start at the end: {node} is the result {result}, so its adjoint is 1{everywhere}.",
    "everywhere": " in every entry",
    "start entry": "Start at the end: {node} is the result, {result} is explained: its adjoint is 1, the others' 0.",
    "back": "Only {groups} uses {node}: it hands back the adjoint of {node}, {size}.",
    "back results": "{groups} uses {node} for {count} results: {count} contributions arrive, {norms}, in all {size}.",
    "back again": "{groups} use {node}: {count} contributions arrive, {norms}. Their sum is {size}.",
    "back many": "{Count} values are made of {node}, so {count} contributions arrive. Their sum is {size}.",
    "gradients": " {group} now has the gradients of its {count} parameters: norm {norm}, most of it {most} for {name}.",
    "gradient": " {group} now has the gradient of its parameter {name}: norm {norm}.",
    "independent": "{result} does not depend on {node}: its adjoint is 0.",
    "seed": "{node} is {name}, the input that changes{everywhere}: its tangent is 1{everywhere}.",
    "seed entry": "{node} is {name}, of which {entry} changes: its tangent is 1 there and 0 elsewhere.",
    "parameter moves": "Its parameter {name} changes, by 1{everywhere}.",
    "along": "{group} carries the tangent of {operands} on: the tangent of {node} is {size}.",
    "still": "{node} does not change when {name} does: its tangent is 0.",
    "values": "values",
    "title": "{mode} over groups: {result}",
}
TABLES: dict[str, Mapping[str, str]] = {"en": ENGLISH}


def say(language_name: str, key: str, /, **parts: object) -> str:
    """One sentence of a language, filled in."""
    language(language_name)
    return TABLES.get(language_name, ENGLISH)[key].format(**parts)
