//! What changes in a head on its way through.
