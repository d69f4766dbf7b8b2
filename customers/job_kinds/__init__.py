"""Kinds of long jobs that this room knows, one file each: see merchants/jobs.py."""
