//! Which objects.
