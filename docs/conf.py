"""Sphinx: `sphinx-build -W docs OUTPUT` (extra docs)."""

from importlib.metadata import version as installed

project = "Reverse Personalization"
author = "The Reverse Personalization developers"
copyright = "2026, the Reverse Personalization developers"  # noqa: A001
release = version = installed("reverse-personalization")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = project
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
# Links from pages to files of the repository, which the site does not hold.
suppress_warnings = ["myst.xref_missing"]
exclude_patterns = ["_build"]
