"""Who is calling: access keys, the operator's own key, role sessions, policy documents."""
