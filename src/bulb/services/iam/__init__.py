"""IAM: roles, policies, users and their access keys."""
