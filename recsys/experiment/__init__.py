"""Experiments: fitting, tuning, fine-tuning and analysing an engine on a dataset and its split."""
