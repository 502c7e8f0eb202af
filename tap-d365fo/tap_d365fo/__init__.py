"""Singer tap for Microsoft Dynamics 365 Finance & Operations."""
