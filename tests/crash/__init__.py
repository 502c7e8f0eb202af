"""The promise, tried: crashes and faults at every moment, judged by what both systems hold."""
