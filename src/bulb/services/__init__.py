"""One room per AWS API. Siblings never import each other."""
