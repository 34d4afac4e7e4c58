"""Compiled loops: arrays in, arrays out, nothing else of hpcdvc known here."""
