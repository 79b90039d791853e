"""Computing over a Ray cluster: fixed partitions, made in workers that may die, with the bytes of a local run."""
