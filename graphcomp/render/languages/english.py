"""English: what frames, pages and teaching stories say."""

from __future__ import annotations

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

SENTENCES = {
    "input": "{node} is the input {name}, whose value is given.",
    "computed": "{node} is computed from {operands}.",
    "computed result": "{node} is computed from {operands}, and is the result {result}.",
    "input result": "{node} is the input {name}, whose value is given, and is the result {result}.",
    "seed tangent": "{node} is {name}, the input that changes: its tangent is 1.",
    "seed tangent everywhere": "{node} is {name}, the input that changes: its tangent is 1 in every entry.",
    "seed tangent entry": "{node} is {name}, of which {entry} changes: its tangent is 1 there and 0 elsewhere.",
    "no tangent": "{node} does not change when {name} does: its tangent is 0.",
    "one argument": "{node} has one argument that can change: take its tangent times the local partial on the edge.",
    "arguments": "{node} has {count} arguments: take each one's tangent times the local partial, and add.",
    "tensor argument": "{node} changes with {operands}: put the tangent in its place in the same operation.",
    "tangent of several results": "The tangent of {node} comes through an operation with several results.",
    "start": "Start at the end: {node} is the result, so its adjoint is 1.",
    "start named": "Start at the end: {node} is the result {result}, so its adjoint is 1.",
    "start everywhere": "Start at the end: {node} is the result {result}, so its adjoint is 1 in every entry.",
    "start entry": "Start at the end: {node} is the result, and {entry} is explained: its adjoint is 1, the others' 0.",
    "several results": "The adjoint of {node} comes through an operation with several results.",
    "independent": "{result} does not depend on {node}: its adjoint is 0.",
    "one user": "Only {users} uses {node}: take its adjoint times the local partial on the edge.",
    "one tensor user": (
        "Only {users} uses {node}: the operation, transposed, hands its adjoint back in the shape of {node}, {shape}."
    ),
    "one user, one number": (
        "Only {users} uses {node}: the operation, transposed, hands its adjoint back as one number."
    ),
    "one user with several results": (
        "Only {users} uses {node}: it has several results, and their adjoints together give that of {node}."
    ),
    "entries": "{count} entries",
    "one entry": "one entry",
    "same user twice": "{users} uses {node} twice, so {count} contributions arrive. Add them.",
    "same user": "{users} uses {node} {times} times, so {count} contributions arrive. Add them.",
    "users": "{Count} nodes use {node}, so {contributions} contributions arrive. Add them.",
    "contribution": "Contribution {position} of {count} to {node}, through {users}: add it to what is there.",
    "sweep of": "{name} changes, the other inputs do not",
    "values": "values",
    "ask tangent": "Your turn: what is the tangent of {node}? Type a number or a formula.",
    "ask adjoint": "Your turn: what arrives at {node}? Type a number or a formula.",
    "missing term": "A term is missing: what comes through {users} counts as well.",
    "sign": "The size is right, the sign is not.",
    "sign of term": "The sign of the term through {users} is wrong.",
    "value for partial": "A value stands where the local partial belongs: on the edge to {users} it is {partial}.",
    "missing factor": "That is the local partial alone: multiply by {factor}.",
    "product for sum": "What arrives along several edges is added, not multiplied.",
    "evaluate": "Evaluation",
    "forward": "Forward mode",
    "reverse": "Reverse mode",
    "both": "Evaluation, forward and reverse mode",
    "and": "and",
    "at": "at",
}

PHRASES = {
    "vector of": "vector of {part}",
    "results": "{part} results",
    "not finite": ", {part} not finite",
    "nothing finite": ", nothing finite",
    "all entries": ", all ",
    "more": "… ({part} more)",
    "true": "true",
    "false": "false",
    "answers": "Answers: ",
    "named": "named {names}",
    "array of": "{part} array",
}
"""Words inside formulas and pictures."""

TABLES = {
    "evaluation trace": "Evaluation trace",
    "value heading": "Value",
    "tangent trace": "Forward tangent trace",
    "adjoint trace": "Reverse adjoint trace",
    "step by step": "Step by step",
    "value": "value",
    "tangent": "tangent",
    "adjoint": "adjoint",
    "step": "step",
    "derivatives": "Derivatives",
    "cost": "So far: {counts}",
    "sweep": "sweep",
    "sweeps": "sweeps",
    "multiplication": "multiplication",
    "multiplications": "multiplications",
    "value held": "value held",
    "values held": "values held",
    "held": "held",
    "helds": "held",
    "keys": "space next · b back · Home, End · q quit",
}

PAGE = {
    "play": "Play",
    "pause": "Pause",
    "first step": "First step",
    "step back": "Step back",
    "step forward": "Step forward",
    "last step": "Last step",
    "player": "Player",
    "speed": "Speed",
    "theme": "Switch between light and dark",
    "graph": "The graph. Arrow keys follow its edges, Enter shows a node's history. The table holds the same facts.",
    "size of the graph": "Size of the graph",
    "smaller": "Smaller",
    "larger": "Larger",
    "fit": "Fit the graph to its place",
    "fit sign": "fit",
    "this step": "This step",
    "chosen node": "The node you chose",
    "close": "Close",
    "step of": "step {step} of {total}",
    "from the start": "from the start: {kind} {text}",
    "at a step": "step {step}: {kind} {text}",
    "contribution fact": "contribution",
    "shape": "shape {shape}",
    "scale begins": "−m",
    "scale ends": "m, the number after ±. Choose a card for its numbers.",
    "array": "{kind}: the scale goes from {least} to {most}",
    "row": "row {row}",
    "column": "column {column}",
    "other inputs": "Try other inputs",
    "given inputs": "As given",
    "computed again": "All numbers are computed again for {inputs}.",
    "not a number": "{text} is not a number.",
    "hint": "Hint",
    "check": "Check",
    "show": "Show",
    "right": "Right.",
    "first try": "{text} {count} at the first try so far.",
    "shown": "Shown.",
    "not yet": "Not yet. Look at the lit edges: adjoint or tangent times the partial, and add.",
    "unreadable": "That is neither a number nor a formula of these names.",
    "too many nodes": "The inputs are fixed: the graph has {count} nodes, and a page computes at most {most} again.",
    "arrays": "The inputs are fixed: a page computes with single numbers only, and this graph holds arrays.",
    "precision": "The inputs are fixed: a page computes in double precision, and this graph holds {dtype}.",
    "no counterpart": "The inputs are fixed: {op} has no counterpart in a page.",
    "not computed": "The inputs are fixed: a page cannot compute what step {step} tells.",
    "remarks": "The inputs are fixed: the remarks of this story are about these numbers.",
}
"""What the page's script shows and says."""

REMARKS = {
    "fan-out title": "Fan-out: a + a and y · y are two edges each",
    "fan-out check": (
        "Check: z = (a + a)² = 4a², so dz/da = 8a = 24. With one edge instead of two, half of it would be lost."
    ),
    "order title": "Why the order is topological: z = a sin a, a = x²",
    "order wrong": "Wrong order: a gets its contribution from z, and we do not wait for the one from b.",
    "order hasty": "Handed on at once, it gives x a derivative that is wrong: a term is missing.",
    "order late": "Only now does the contribution through b reach a. What x was given before was too little.",
    "order end": (
        "A node is told after all nodes that use it: a reversed topological order. Then every edge is used once."
    ),
    "saved title": "Why values are saved: the partials on the way back need them",
    "saved kept": "Keep it: the way back reads it again.",
    "saved end": (
        "Forward mode alone holds at most {forward} numbers at once, however long the chain is. Reverse mode "
        "holds {reverse} here, and one for each saved step of a longer chain."
    ),
    "matrix-free title": "Matrix-free: vᵀCBA from the left, from R⁴ to R³",
    "matrix-free end": (
        "The last sweep multiplied {sweep} times, as the products vᵀC, then ·B, then ·A do ({vector}). "
        "Multiplying the matrices first takes {matrix}: worth it only if all of CBA is wanted."
    ),
    "swell title": "Expression swell, automatic differentiation and finite differences",
    "swell symbolic": (
        "Written out as one expression, the derivative after 1 to {steps} steps has {counts} operations: it swells."
    ),
    "swell graph": (
        "As a graph that shares its values, value and derivative together take {counts}: the same few more for "
        "each step."
    ),
    "swell error": "{error} for h = {step}",
    "swell differences": (
        "Finite differences cost two evaluations for each input, and are off by {errors}: first because h is "
        "large, then because digits cancel."
    ),
    "through-time title": "Back-propagation through time: one weight, three uses",
    "through-time end": (
        "The weight is one node used at every step, so it gets one contribution for each step. The earlier the "
        "step, the more partials its contribution has passed through."
    ),
    "vanishing title": "Vanishing gradients: {layers} sigmoids in a row",
    "vanishing end": (
        "The adjoints on the way back: {shrinking}. A sigmoid's partial a(1 − a) is never more than ¼, so after "
        "{layers} layers at most (¼){power} of the signal is left: {bound}."
    ),
    "xor title": "One training step of a network for exclusive or",
    "xor update": "Gradient descent: {name} moves against its gradient.",
    "xor loss": "The loss was {before}; with the new weights it is {after}.",
}
"""What teaching stories add."""

COMPILATION = {
    "node": "node",
    "nodes": "nodes",
    "kernel": "kernel",
    "kernels": "kernels",
    "line": "line",
    "lines": "lines",
    "compiling": "Compiling {what}",
    "the function": "the function {name}",
    "value and gradient": "the value and gradient of {what}",
    "a graph": "a graph",
    "passes told": (
        "The passes, one after the other. {passes}. Together they took {time}; Numba compiles the source when it is "
        "first called."
    ),
    "all passes": "all passes",
    "all kernels": "all kernels",
    "kernel number": "kernel {number}",
    "round": "{stage}, round {number}",
    "one of": "{position} of {count}",
    "folded": "Constants are folded",
    "shared": "Equal nodes are shared",
    "lifted": "Entries that are copies are computed once, before they are spread",
    "rule": "Rule {rules}",
    "rules": "Rules {rules}",
    "then": ", then ",
    "becomes": "{rule}{counting}: {before} becomes {after}.",
    "becomes often": "{rule} {times} times ({ops}{places}); the first of them: {before} becomes {after}.",
    "in parts": ", in {places}",
    "in parts more": ", in {places} and {count} more",
    "before": "Before",
    "after": "After",
    "before nearby": "Before, around the rewrite",
    "after nearby": "After, around the rewrite",
    "a result": "{type}, a result",
    "stored": "{type}, stored",
    "removed": "{card}, removed",
    "added": "{card}, added",
    "same": "{card}, already there",
    "regions": "{values} in {kernels}: values on one ground are computed together.",
    "kernel computes": "Kernel {number} computes {values} in {lines}.",
    "kernel stores": "Kernel {number} computes {values} in {lines}, and stores {count} of them.",
    "values more": "{values} and {count} more",
    "kernels alike": "{kernels} like it share one function.",
    "pass": "pass",
    "leaves": "leaves",
    "time": "time",
    "times": "times",
    "pass above": "in the pass above",
    "passes": "Passes",
    "steps": "Steps",
    "source": "Source",
    "generated source": "Generated source",
    "more lines": "… {count} more lines",
    "compile graph": "The graph. Arrow keys go from node to node; the lines of source that compute a node light up.",
    "compile source": (
        "The generated source. Arrow keys go from line to line; the nodes that a line computes light up."
    ),
    "chosen node or line": "The node or line you chose",
    "source lines": "source lines {lines}",
    "source line": "line {line}",
    "no node": "computes no node",
}
"""What compile stories and their pages say."""

FAILURES = {
    "array outside": "array",
    "not traced": "not traced",
    "fails here": "× fails here",
    "failed in": "{kind} in {call}",
    "failed function": "the function",
    "your code": "your code",
    "unnamed input": "input {number}",
    "failed scope": " In {scope}.",
    "failed line": " At {line}.",
    "drawn of": " Drawn are the {shown} closest of {traced} traced nodes.",
}
"""What pictures of errors say."""

NETWORKS = {
    "nodes in": "{count} nodes",
    "up to nodes": "up to {count} nodes",
    "times of": "{times} of {nodes}",
    "part": "part {number}",
    "backward": "{name} (backward)",
    "port from": "from {name}",
    "port to": "to {name}",
    "the next": "the next",
    "elsewhere": "elsewhere",
    "one number": "number",
    "several values": "{count} values",
    "several of shape": "{count} values, {shape}",
    "to the next": "{flow} to the next",
    "flows from": "{flow} from {name}",
    "flows to": "{flow} to {name}",
    "reads": "reads {flows}",
    "gives": "gives {flows}",
    "written at": "written at {line}",
    "more flows": "{count} more",
    "network": (
        "The network. Arrow keys follow its edges, Enter opens or closes a group, Escape closes the one around it."
    ),
    "open all": "open all",
    "open all groups": "Open the groups that are shown",
    "close all": "close all",
    "close all groups": "Close all groups",
    "fit network": "Fit the network to its place",
    "overlay": "Numbers on the cards: {overlay}",
    "network help": (
        "Click a group to open it in its place. Arrow keys follow the edges, Enter opens and closes, Escape closes the "
        "group around."
    ),
    "overlay numbers": "numbers",
    "seconds": "seconds",
    "|gradient|": "|gradient|",
    "statistic": "statistic",
    "total sum": "{name}, added up for a group",
    "total norm": "{name}, their norm for a group",
    "total mean": "{name}, their mean for a group",
    "total largest": "{name}, the largest for a group",
}
"""What pages of networks say."""
