"""Measurements of this service, printed beside the cost of something everybody knows."""
