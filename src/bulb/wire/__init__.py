"""AWS's wire protocols without I/O, in both directions: HTTP values in, parameters out; answers in, HTTP values out."""
