"""Recognisers, their thresholds, and verification: whose face it still could be."""
