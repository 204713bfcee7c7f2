"""Renderings of the estate document: the first screen, and pages. They read nothing and decide nothing."""
