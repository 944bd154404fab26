"""The workloads, a file for each family; `WORKLOADS` has them all by name."""

from ..workload import Workload
from . import dense, formulas, recurrent, transformer, vision

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for family in (formulas, dense, vision, recurrent, transformer)
    for workload in family.WORKLOADS
}
