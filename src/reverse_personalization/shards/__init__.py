"""Data sets in shards: WebDataset's tar files, and Parquet files as Hugging Face writes them."""
