# SPDX-License-Identifier: Apache-2.0
"""What Sphinx is told. The site needs no network, neither to be built nor to be read."""

from __future__ import annotations

from pathlib import Path

import airflow_batch_events

project = "airflow-batch-events"
author = "the airflow-batch-events developers"
project_copyright = author
version = release = airflow_batch_events.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
root_doc = "index"
source_suffix = {".md": "markdown"}

# Headings are linked as they are on a page of the repository.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
nitpicky = True
# Airflow's and Python's names have no page here, and the types of our own parameters are not all public.
nitpick_ignore_regex = [(r"py:.*", r"(?!Batch|Cmq|airflow_batch_events\.(operators|sensors|hooks|exceptions)\.[^_]).*")]
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"airflow-batch-events {version}"
html_logo = html_favicon = str(Path(__file__).parents[2] / "docs" / "images" / "logo.svg")
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
