"""Counts of events by period, their forecasts and anomalies."""
