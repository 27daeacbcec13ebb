"""Alerts: what is notified when a budget's status changes, where to, and what others notify us."""
