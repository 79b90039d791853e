"""Engines that need no user-item graph and no towers: popularity, linear item-item models, factorizations."""
