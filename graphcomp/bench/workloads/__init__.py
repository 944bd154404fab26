"""The workloads, a file for each family; `WORKLOADS` has them all by name."""

from ..workload import Workload
from . import dense, derivatives, formulas, graphs, recurrent, transformer, vision

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for family in (formulas, dense, vision, recurrent, transformer, graphs, derivatives)
    for workload in family.WORKLOADS
}
