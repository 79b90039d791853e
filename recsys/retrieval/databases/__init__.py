"""Where finished batches go beside their folder: a PostgreSQL table, a file of Redis commands."""
