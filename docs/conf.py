"""The site: Sphinx reads the pages of this folder as they are; docs/toc.yml says where each stands."""

from shipper import __version__

project = "shipper"
author = "the shipper project"
copyright = "the shipper project, Apache-2.0"  # noqa: A001 -- Sphinx's name
version = release = __version__
language = "en"
extensions = ["myst_parser", "sphinx_external_toc"]
external_toc_path = "toc.yml"
exclude_patterns = ["_build"]

myst_heading_anchors = 3  # as GitHub makes them, so that a link works in both
myst_links_external_new_tab = False
suppress_warnings = ["misc.highlighting_failure"]  # kql, esql and promql have no highlighter
nitpicky = True

html_theme = "furo"
html_title = f"shipper {version}"
html_static_path = ["_static"]
html_css_files = ["handbook.css"]
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
