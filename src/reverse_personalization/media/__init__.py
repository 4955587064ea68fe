"""Pictures in and out: decoding, lossless writing back, metadata, the AI mark, contact sheets."""
