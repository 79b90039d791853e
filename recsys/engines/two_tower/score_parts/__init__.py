"""Parts of the two-tower score that are added after training: a filter of the user-item graph, and popularity."""
