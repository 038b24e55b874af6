"""What each published study claimed, and the rule by which a run decides it."""
