"""Videos: found, tracked, reviewed, rendered; the same stranger in every frame."""
