"""Faces: finding, aligning, meshing, warping and putting them back."""
