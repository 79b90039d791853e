"""Rules that choose among the best items of a user: caps, quotas, groups, diversity, calibration, exploration."""
