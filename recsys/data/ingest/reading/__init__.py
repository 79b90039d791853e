"""Reading of files as tables of cells: bytes, encodings, separators, quotes, lines, formats, folders and addresses."""
