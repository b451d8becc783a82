"""`python -m lexloom` is the command line."""

from lexloom.cli import run

run()
