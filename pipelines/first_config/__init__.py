"""A first config from raw tables: which table is which, which columns are ids and times, which protocol fits."""
