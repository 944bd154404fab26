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
    "along": "{group} carries the tangent of {operands} on: the tangent of {node} is {size}.",
    "still": "{node} does not change when {name} does: its tangent is 0.",
    "values": "values",
    "norm": "norm",
    "title": "{mode} over groups: {result}",
    "training title": "A training step over groups: {result}",
    "updates": "{optimizer} moves the {count} parameters of {name}, of norm {before}, by {step}. "
    "The norm of their gradients is {gradient}.",
    "update": "{optimizer} moves {name}, of norm {before}, by {step}. The norm of its gradient is {gradient}.",
    "the update": "The update",
}
GERMAN = {
    "input": "{node} ist die Eingabe {name}: {statistics}.",
    "group": "{group} macht {node} aus {operands}: {statistics}.{parameters}",
    "made of parameters": "{group} macht {node} allein aus seinen Parametern: {statistics}.{parameters}",
    "parameters": " Dazu gehören {count} eigene Parameter, zusammen {entries} Zahlen.",
    "parameter": " Dazu gehört ein eigener Parameter mit {entries} Zahlen.",
    "result": " {node} ist das Ergebnis {result}.",
    "statistics": "{shape}, Mittel {mean}, Abweichung {deviation}, von {least} bis {most}{zeros}",
    "zeros": ", {percent} % Nullen",
    "start": "Wir beginnen am Ende: {node} ist das Ergebnis {result}, seine Adjungierte ist also 1{everywhere}.",
    "everywhere": " in jedem Eintrag",
    "start entry": (
        "Wir beginnen am Ende: {node} ist das Ergebnis, und {result} wird erklärt: Dessen Adjungierte ist 1, die der "
        "anderen ist 0."
    ),
    "back": "Nur {groups} verwendet {node} und gibt dessen Adjungierte zurück: {size}.",
    "back results": (
        "{groups} verwendet {node} für {count} Ergebnisse: Es kommen {count} Beiträge an, {norms}, zusammen {size}."
    ),
    "back again": "{groups} verwenden {node}: Es kommen {count} Beiträge an, {norms}. Ihre Summe ist {size}.",
    "back many": "{count} Werte entstehen aus {node}, es kommen also {count} Beiträge an. Ihre Summe ist {size}.",
    "gradients": (
        " Damit hat {group} die Gradienten seiner {count} Parameter: Norm {norm}, davon das meiste, {most}, für {name}."
    ),
    "gradient": " Damit hat {group} den Gradienten seines Parameters {name}: Norm {norm}.",
    "independent": "{result} hängt nicht von {node} ab: Die Adjungierte ist 0.",
    "seed": "{node} ist {name}, die Eingabe, die sich ändert{everywhere}: Ihre Tangente ist 1{everywhere}.",
    "seed entry": "{node} ist {name}; davon ändert sich {entry}: Dort ist die Tangente 1, sonst 0.",
    "along": "{group} trägt die Tangente von {operands} weiter: Die Tangente von {node} ist {size}.",
    "still": "{node} ändert sich nicht mit {name}: Die Tangente ist 0.",
    "values": "Werte",
    "norm": "Norm",
    "title": "{mode} über Gruppen: {result}",
    "training title": "Ein Trainingsschritt über Gruppen: {result}",
    "updates": "{optimizer} verschiebt die {count} Parameter von {name}, deren Norm {before} ist, um {step}. "
    "Die Norm ihrer Gradienten ist {gradient}.",
    "update": "{optimizer} verschiebt {name}, dessen Norm {before} ist, um {step}. "
    "Die Norm seines Gradienten ist {gradient}.",
    "the update": "Die Aktualisierung",
}
TABLES: dict[str, Mapping[str, str]] = {"en": ENGLISH, "de": GERMAN}


def say(language_name: str, key: str, /, **parts: object) -> str:
    """One sentence of a language, filled in."""
    language(language_name)
    return TABLES.get(language_name, ENGLISH)[key].format(**parts)
