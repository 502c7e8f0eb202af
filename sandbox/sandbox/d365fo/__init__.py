"""A Dynamics 365 Finance & Operations environment and its token authority."""
