"""German: what frames, pages and teaching stories say."""

from __future__ import annotations

NUMBERS = ("kein", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")

SENTENCES = {
    "input": "{node} ist die Eingabe {name}; ihr Wert ist gegeben.",
    "computed": "{node} wird aus {operands} berechnet.",
    "computed result": "{node} wird aus {operands} berechnet und ist das Ergebnis {result}.",
    "input result": "{node} ist die Eingabe {name}; ihr Wert ist gegeben und zugleich das Ergebnis {result}.",
    "seed tangent": "{node} ist {name}, die Eingabe, die sich ändert: Ihre Tangente ist 1.",
    "seed tangent everywhere": "{node} ist {name}, die Eingabe, die sich ändert: Jeder Eintrag ihrer Tangente ist 1.",
    "seed tangent entry": "{node} ist {name}; davon ändert sich {entry}: Dort ist die Tangente 1, sonst 0.",
    "no tangent": "{node} ändert sich nicht mit {name}: Die Tangente ist 0.",
    "one argument": (
        "Von {node} kann sich nur ein Argument ändern: dessen Tangente mal die lokale Ableitung an der Kante."
    ),
    "arguments": "{node} hat {count} Argumente: jede Tangente mal die lokale Ableitung an ihrer Kante, dann addieren.",
    "tensor argument": "{node} ändert sich mit {operands}: Die Tangente tritt in derselben Operation an ihre Stelle.",
    "tangent of several results": "Die Tangente von {node} kommt durch eine Operation mit mehreren Ergebnissen.",
    "start": "Wir beginnen am Ende: {node} ist das Ergebnis, seine Adjungierte ist also 1.",
    "start named": "Wir beginnen am Ende: {node} ist das Ergebnis {result}, seine Adjungierte ist also 1.",
    "start everywhere": (
        "Wir beginnen am Ende: {node} ist das Ergebnis {result}, jeder Eintrag seiner Adjungierten ist also 1."
    ),
    "start entry": (
        "Wir beginnen am Ende: {node} ist das Ergebnis, und {entry} wird erklärt: Dessen Adjungierte ist 1, die der "
        "anderen ist 0."
    ),
    "several results": "Die Adjungierte von {node} kommt durch eine Operation mit mehreren Ergebnissen.",
    "independent": "{result} hängt nicht von {node} ab: Die Adjungierte ist 0.",
    "one user": "Nur {users} verwendet {node}: dessen Adjungierte mal die lokale Ableitung an der Kante.",
    "one tensor user": (
        "Nur {users} verwendet {node}: Die Operation, transponiert, gibt dessen Adjungierte in der Form von {node} "
        "zurück, {shape}."
    ),
    "one user, one number": (
        "Nur {users} verwendet {node}: Die Operation, transponiert, gibt dessen Adjungierte als eine Zahl zurück."
    ),
    "one user with several results": (
        "Nur {users} verwendet {node}: Es hat mehrere Ergebnisse; deren Adjungierte ergeben zusammen die von {node}."
    ),
    "entries": "{count} Einträge",
    "one entry": "ein Eintrag",
    "same user twice": "{users} verwendet {node} zweimal, es kommen also {count} Beiträge an. Wir addieren sie.",
    "same user": "{users} verwendet {node} {times}-mal, es kommen also {count} Beiträge an. Wir addieren sie.",
    "users": "{Count} Knoten verwenden {node}, es kommen also {contributions} Beiträge an. Wir addieren sie.",
    "contribution": "Beitrag {position} von {count} zu {node}, durch {users}: zu dem addieren, was schon da ist.",
    "sweep of": "{name} ändert sich, die anderen Eingaben nicht",
    "values": "Werte",
    "ask tangent": "Nun Sie: Wie groß ist die Tangente von {node}? Eine Zahl oder eine Formel genügt.",
    "ask adjoint": "Nun Sie: Was kommt bei {node} an? Eine Zahl oder eine Formel genügt.",
    "missing term": "Es fehlt ein Summand: Auch was durch {users} kommt, zählt.",
    "sign": "Der Betrag stimmt, das Vorzeichen nicht.",
    "sign of term": "Das Vorzeichen des Summanden durch {users} ist falsch.",
    "value for partial": (
        "Hier steht ein Wert statt der lokalen Ableitung: An der Kante zu {users} ist sie {partial}."
    ),
    "missing factor": "Das ist nur die lokale Ableitung: Sie wird noch mit {factor} multipliziert.",
    "product for sum": "Was über mehrere Kanten ankommt, wird addiert, nicht multipliziert.",
    "evaluate": "Auswertung",
    "forward": "Vorwärtsmodus",
    "reverse": "Rückwärtsmodus",
    "both": "Auswertung, Vorwärts- und Rückwärtsmodus",
    "and": "und",
    "at": "bei",
}

PHRASES = {
    "vector of": "{part} Einträge",
    "results": "{part} Ergebnisse",
    "not finite": ", {part} nicht endlich",
    "nothing finite": ", nichts endlich",
    "all entries": ", alle ",
    "more": "… ({part} weitere)",
    "true": "wahr",
    "false": "falsch",
    "answers": "Antworten: ",
    "named": "genannt {names}",
    "array of": "{part}-Feld",
}
"""Words inside formulas and pictures."""

TABLES = {
    "evaluation trace": "Auswertung",
    "value heading": "Wert",
    "tangent trace": "Tangenten (vorwärts)",
    "adjoint trace": "Adjungierte (rückwärts)",
    "step by step": "Schritt für Schritt",
    "value": "Wert",
    "tangent": "Tangente",
    "adjoint": "Adjungierte",
    "step": "Schritt",
    "derivatives": "Ableitungen",
    "cost": "Bisher: {counts}",
    "sweep": "Durchlauf",
    "sweeps": "Durchläufe",
    "multiplication": "Multiplikation",
    "multiplications": "Multiplikationen",
    "value held": "Wert im Speicher",
    "values held": "Werte im Speicher",
    "held": "im Speicher",
    "helds": "im Speicher",
    "keys": "Leertaste weiter · b zurück · Pos1, Ende · q beenden",
}

PAGE = {
    "play": "Abspielen",
    "pause": "Anhalten",
    "first step": "Erster Schritt",
    "step back": "Schritt zurück",
    "step forward": "Schritt vor",
    "last step": "Letzter Schritt",
    "player": "Wiedergabe",
    "speed": "Tempo",
    "theme": "Zwischen hell und dunkel wechseln",
    "graph": (
        "Der Graph. Pfeiltasten folgen seinen Kanten, die Eingabetaste zeigt den Verlauf eines Knotens. Die Tabelle "
        "enthält dasselbe."
    ),
    "size of the graph": "Größe des Graphen",
    "smaller": "Kleiner",
    "larger": "Größer",
    "fit": "Den Graphen einpassen",
    "fit sign": "ganz",
    "this step": "Dieser Schritt",
    "chosen node": "Der gewählte Knoten",
    "close": "Schließen",
    "step of": "Schritt {step} von {total}",
    "from the start": "von Anfang an: {kind} {text}",
    "at a step": "Schritt {step}: {kind} {text}",
    "contribution fact": "Beitrag",
    "shape": "Form {shape}",
    "scale begins": "−m",
    "scale ends": "m, die Zahl nach ±. Eine gewählte Karte zeigt ihre Zahlen.",
    "array": "{kind}: Die Skala geht von {least} bis {most}",
    "row": "Zeile {row}",
    "column": "Spalte {column}",
    "other inputs": "Andere Eingaben",
    "given inputs": "Wie gegeben",
    "computed again": "Alle Zahlen sind neu berechnet für {inputs}.",
    "not a number": "{text} ist keine Zahl.",
    "hint": "Hinweis",
    "check": "Prüfen",
    "show": "Zeigen",
    "right": "Richtig.",
    "first try": "{text} Bisher {count} auf Anhieb.",
    "shown": "Gezeigt.",
    "not yet": (
        "Noch nicht. An den hervorgehobenen Kanten: Adjungierte oder Tangente mal lokale Ableitung, dann addieren."
    ),
    "unreadable": "Das ist weder eine Zahl noch eine Formel mit diesen Namen.",
    "too many nodes": (
        "Die Eingaben sind fest: Der Graph hat {count} Knoten, und eine Seite berechnet höchstens {most} neu."
    ),
    "arrays": "Die Eingaben sind fest: Eine Seite rechnet nur mit einzelnen Zahlen, und dieser Graph enthält Felder.",
    "precision": (
        "Die Eingaben sind fest: Eine Seite rechnet mit doppelter Genauigkeit, und dieser Graph enthält {dtype}."
    ),
    "no counterpart": "Die Eingaben sind fest: Für {op} gibt es in einer Seite kein Gegenstück.",
    "not computed": "Die Eingaben sind fest: Was Schritt {step} zeigt, kann eine Seite nicht neu berechnen.",
    "remarks": "Die Eingaben sind fest: Die Bemerkungen dieser Geschichte gelten für diese Zahlen.",
}
"""What the page's script shows and says."""

REMARKS = {
    "fan-out title": "Verzweigung: a + a und y · y haben je zwei Kanten",
    "fan-out check": (
        "Probe: z = (a + a)² = 4a², also dz/da = 8a = 24. Mit einer Kante statt zweien ginge die Hälfte verloren."
    ),
    "order title": "Warum die Reihenfolge topologisch ist: z = a sin a, a = x²",
    "order wrong": "Falsche Reihenfolge: a erhält den Beitrag von z, und wir warten nicht auf den von b.",
    "order hasty": "Sofort weitergereicht, ergibt er für x eine falsche Ableitung: Es fehlt ein Summand.",
    "order late": "Erst jetzt kommt der Beitrag durch b bei a an. Was x vorher bekam, war zu wenig.",
    "order end": (
        "Ein Knoten kommt nach allen Knoten, die ihn verwenden: in umgekehrter topologischer Reihenfolge. So "
        "wird jede Kante genau einmal benutzt."
    ),
    "saved title": "Warum Werte gespeichert werden: Die lokalen Ableitungen auf dem Rückweg brauchen sie",
    "saved kept": "Er wird aufbewahrt: Der Rückweg liest ihn noch einmal.",
    "saved end": (
        "Der Vorwärtsmodus allein hält höchstens {forward} Zahlen zugleich, wie lang die Kette auch ist. Der "
        "Rückwärtsmodus hält hier {reverse}, und bei einer längeren Kette eine je gespeichertem Schritt."
    ),
    "matrix-free title": "Ohne Matrixprodukte: vᵀCBA von links, von R⁴ nach R³",
    "matrix-free end": (
        "Der letzte Durchlauf hat {sweep}-mal multipliziert, wie die Produkte vᵀC, dann ·B, dann ·A ({vector}). "
        "Zuerst die Matrizen zu multiplizieren kostet {matrix}: Das lohnt sich nur, wenn ganz CBA gesucht ist."
    ),
    "swell title": "Anschwellende Ausdrücke, automatisches Differenzieren und finite Differenzen",
    "swell symbolic": (
        "Als ein Ausdruck geschrieben, hat die Ableitung nach 1 bis {steps} Schritten {counts} Operationen: Sie "
        "schwillt an."
    ),
    "swell graph": (
        "Als Graph, der seine Werte teilt, brauchen Wert und Ableitung zusammen {counts}: je Schritt gleich viele mehr."
    ),
    "swell error": "{error} für h = {step}",
    "swell differences": (
        "Finite Differenzen kosten zwei Auswertungen je Eingabe und liegen um {errors} daneben: erst weil h groß "
        "ist, dann weil sich Stellen auslöschen."
    ),
    "through-time title": "Rückwärts durch die Zeit: ein Gewicht, dreimal verwendet",
    "through-time end": (
        "Das Gewicht ist ein Knoten, den jeder Schritt verwendet, also erhält es je Schritt einen Beitrag. Je "
        "früher der Schritt, desto mehr lokale Ableitungen hat sein Beitrag durchlaufen."
    ),
    "vanishing title": "Verschwindende Gradienten: {layers} Sigmoide hintereinander",
    "vanishing end": (
        "Die Adjungierten auf dem Rückweg: {shrinking}. Die Ableitung a(1 − a) eines Sigmoids ist nie größer als "
        "¼, nach {layers} Schichten bleibt also höchstens (¼){power} des Signals: {bound}."
    ),
    "xor title": "Ein Trainingsschritt eines Netzes für das exklusive Oder",
    "xor update": "Gradientenabstieg: {name} bewegt sich gegen den Gradienten.",
    "xor loss": "Der Verlust war {before}; mit den neuen Gewichten ist er {after}.",
}
"""What teaching stories add."""

COMPILATION = {
    "node": "Knoten",
    "nodes": "Knoten",
    "kernel": "Kern",
    "kernels": "Kerne",
    "line": "Zeile",
    "lines": "Zeilen",
    "compiling": "Übersetzung: {what}",
    "the function": "die Funktion {name}",
    "value and gradient": "Wert und Gradient von {what}",
    "a graph": "ein Graph",
    "passes told": (
        "Die Durchgänge, einer nach dem anderen. {passes}. Zusammen dauerten sie {time}; Numba übersetzt den Quelltext "
        "beim ersten Aufruf."
    ),
    "all passes": "alle Durchgänge",
    "all kernels": "alle Kerne",
    "kernel number": "Kern {number}",
    "round": "{stage}, Runde {number}",
    "one of": "{position} von {count}",
    "folded": "Konstanten werden ausgerechnet",
    "shared": "Gleiche Knoten werden geteilt",
    "lifted": "Einträge, die Kopien sind, werden einmal berechnet, bevor sie verteilt werden",
    "rule": "Regel {rules}",
    "rules": "Regeln {rules}",
    "then": ", dann ",
    "becomes": "{rule}{counting}: Aus {before} wird {after}.",
    "becomes often": "{rule} {times}-mal ({ops}{places}); beim ersten Mal: Aus {before} wird {after}.",
    "in parts": ", in {places}",
    "in parts more": ", in {places} und {count} weiteren",
    "before": "Vorher",
    "after": "Nachher",
    "before nearby": "Vorher, rund um die Umformung",
    "after nearby": "Nachher, rund um die Umformung",
    "a result": "{type}, ein Ergebnis",
    "stored": "{type}, gespeichert",
    "removed": "{card}, entfällt",
    "added": "{card}, neu",
    "same": "{card}, schon da",
    "regions": "{values} in {kernels}: Was auf einem Grund steht, wird zusammen berechnet.",
    "kernel computes": "Kern {number} berechnet {values} in {lines}.",
    "kernel stores": "Kern {number} berechnet {values} in {lines} und speichert {count} davon.",
    "values more": "{values} und {count} weitere",
    "kernels alike": "{kernels} dieser Art teilen sich eine Funktion.",
    "pass": "Durchgang",
    "leaves": "hinterlässt",
    "time": "Zeit",
    "times": "wie oft",
    "pass above": "im Durchgang darüber",
    "passes": "Durchgänge",
    "steps": "Schritte",
    "source": "Quelltext",
    "generated source": "Erzeugter Quelltext",
    "more lines": "… {count} weitere Zeilen",
    "compile graph": (
        "Der Graph. Pfeiltasten führen von Knoten zu Knoten; die Zeilen, die einen Knoten berechnen, leuchten auf."
    ),
    "compile source": (
        "Der erzeugte Quelltext. Pfeiltasten führen von Zeile zu Zeile; die Knoten, die eine Zeile berechnet, leuchten "
        "auf."
    ),
    "chosen node or line": "Der gewählte Knoten oder die gewählte Zeile",
    "source lines": "Zeilen {lines} im Quelltext",
    "source line": "Zeile {line}",
    "no node": "berechnet keinen Knoten",
}
"""What compile stories and their pages say."""

FAILURES = {
    "array outside": "Feld",
    "not traced": "nicht aufgezeichnet",
    "fails here": "× scheitert hier",
    "failed in": "{kind} in {call}",
    "failed function": "der Funktion",
    "your code": "Ihr Code",
    "unnamed input": "Eingabe {number}",
    "failed scope": " In {scope}.",
    "failed line": " Bei {line}.",
    "drawn of": " Gezeichnet sind die {shown} nächsten von {traced} aufgezeichneten Knoten.",
}
"""What pictures of errors say."""

NETWORKS = {
    "nodes in": "{count} Knoten",
    "up to nodes": "bis zu {count} Knoten",
    "times of": "{times} mit je {nodes}",
    "part": "Teil {number}",
    "backward": "{name} (rückwärts)",
    "port from": "von {name}",
    "port to": "nach {name}",
    "the next": "nächsten",
    "elsewhere": "anderswo",
    "one number": "Zahl",
    "several values": "{count} Werte",
    "several of shape": "{count} Werte, {shape}",
    "to the next": "{flow} zum nächsten",
    "flows from": "{flow} von {name}",
    "flows to": "{flow} nach {name}",
    "reads": "liest {flows}",
    "gives": "gibt {flows}",
    "written at": "geschrieben in {line}",
    "more flows": "{count} weitere",
    "network": (
        "Das Netz. Pfeiltasten folgen seinen Kanten, die Eingabetaste öffnet oder schließt eine Gruppe, Escape "
        "schließt die umgebende."
    ),
    "open all": "alle öffnen",
    "open all groups": "Die sichtbaren Gruppen öffnen",
    "close all": "alle schließen",
    "close all groups": "Alle Gruppen schließen",
    "fit network": "Das Netz an seinen Platz anpassen",
    "overlay": "Zahlen auf den Karten: {overlay}",
    "network help": (
        "Ein Klick öffnet eine Gruppe an ihrem Platz. Pfeiltasten folgen den Kanten, die Eingabetaste öffnet und "
        "schließt, Escape schließt die umgebende Gruppe."
    ),
    "overlay numbers": "Zahlen",
    "seconds": "Sekunden",
    "|gradient|": "|Gradient|",
    "statistic": "Kennzahl",
    "total sum": "{name}, für eine Gruppe addiert",
    "total norm": "{name}, für eine Gruppe deren Norm",
    "total mean": "{name}, für eine Gruppe deren Mittel",
    "total largest": "{name}, für eine Gruppe der größte Betrag",
}
"""What pages of networks say."""
