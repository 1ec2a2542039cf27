"""What a wrapper (AWS_LAMBDA_EXEC_WRAPPER) is given to execute: the loop, started from nothing."""

import importlib

if __name__ == "__main__":
    importlib.import_module("bulb_runtime").run_as_program()
