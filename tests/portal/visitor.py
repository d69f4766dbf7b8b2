"""A shortcut for tests that are not about signing in."""


def sign_in(client, customer):
    """Sign the customer in, in this test client, as the code page would."""
    session = client.session
    session["customers"] = {**session.get("customers", {}), customer.merchant.slug: str(customer.pk)}
    session.save()
    client.cookies["sessionid"] = session.session_key
