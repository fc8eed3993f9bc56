"""Makes the pages, tables, dumps and pictures of docs/ (`make pages`, `make pictures`), and checks prose."""
