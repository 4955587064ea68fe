"""The compact engine: a canonical face space, a small denoiser in it, and a renderer out of it."""
