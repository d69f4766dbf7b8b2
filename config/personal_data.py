"""What the timetable keeps about people: nothing."""

from customers.erasure import nobody

HOLDINGS = nobody(
    "config.PeriodicTask", "config.PeriodicHour", why="Counts of runs; a failure's first line names no row."
)
