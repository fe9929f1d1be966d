"""The paper's tables as steps that can be run: rows, data, steps, results and the report of ``tools/reproduce.py``."""
