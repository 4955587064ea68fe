"""Making the compact engine: data set, codec, denoiser."""
