"""What is shipped into execution environments; imports nothing of ours and is never imported by us."""
