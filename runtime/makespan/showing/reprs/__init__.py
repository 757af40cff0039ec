"""What a notebook shows of a DAG, a profile, a plan and a run: HTML and SVG, without JavaScript.

Every picture has its own paper, so that it can be read in light and dark notebooks, and its colours stand in
the drawing itself, so that it can be read where style sheets are taken out. Names are cleaned and escaped.
"""
