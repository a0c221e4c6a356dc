//! closedloop
