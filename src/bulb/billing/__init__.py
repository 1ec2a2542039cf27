"""What it cost: facts in, ledger rows out; prices and statements."""
