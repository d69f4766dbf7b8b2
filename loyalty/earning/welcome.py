from loyalty.earning import base


class Welcome(base.Bonus):
    """Points for joining, once per contact: leaving and joining again gives nothing."""

    kind = "welcome"
    label = "Welcome"
    role = "event"
    qualifies = False
