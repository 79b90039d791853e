"""Experiments: functions over an engine, a dataset and a split that the stages and the Python interface share."""
