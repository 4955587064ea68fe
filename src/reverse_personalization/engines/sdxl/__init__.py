"""The published engine: a Stable Diffusion model with IP-Adapter-FaceID, by way of diffusers."""
