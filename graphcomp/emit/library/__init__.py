"""What generated code imports: functions that Numba compiles with it, and such as write LLVM's instructions themselves.

These modules import Numba. Nothing of the package imports them but each other: a process that finds its machine code in
the disk cache runs without Numba, whose import takes longer than loading the code. What the rest has to know of
them, their names and the hash of their text, it knows without executing them.
"""
