"""The bench: people, photos, recognisers, and rates with their intervals."""
