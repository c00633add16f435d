"""Labs: each one built twice, done, left undone and done wrongly; ``make labs``, docs/labs.md."""
