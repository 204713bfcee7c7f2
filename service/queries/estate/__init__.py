"""The estate query: the document of which every picture of the estate is a rendering."""
