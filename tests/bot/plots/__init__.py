"""Tests of the plots in alert cards."""
