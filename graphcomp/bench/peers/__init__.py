"""Other frameworks, each with the same workloads as it does them best. Nothing in here imports graphcomp."""
