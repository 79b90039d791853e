"""Pages of HTML that open without a network: their shell, tables and charts."""
