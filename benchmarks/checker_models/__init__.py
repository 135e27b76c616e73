"""Models that the checker is measured on: planted mistakes, broken models and their twins, models of other projects."""
