"""`make demo`: the whole path over HTTP on one real picture and one real clip."""
