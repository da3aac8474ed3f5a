"""One file a source: bytes in, typed records or a refusal with a reason out."""
