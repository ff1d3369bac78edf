//! Everything of Switchboard that touches the world. The modules stand in the order in which a request meets them.
