"""What tests share: a real PostgreSQL, a real Chromium, and campaigns with their counts and report."""
