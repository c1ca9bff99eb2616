"""Unit tests of the modules beside the subpackages, and fakes for all."""
