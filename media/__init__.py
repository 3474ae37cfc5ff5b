"""Recordings and streams: what hearing and seeing both need to read one."""
