"""Tests against other people's software: the same bytes, read by somebody who did not write ours."""
