"""Forecasts, plans and anomaly rules."""
