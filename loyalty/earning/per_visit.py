from loyalty.earning import base


class PerVisit(base.Bonus):
    """Points for coming by; cap it per day, so that splitting a bill gains nothing."""

    kind = "per_visit"
    label = "Points per visit"
