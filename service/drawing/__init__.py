"""Boxes, labels and trails, onto pictures and videos."""
