//! Real processes, real disks, real kills: what must hold whatever becomes of the gate, its disk, its clients and
//! the bytes they send. The simulation ([`crate::sim`]) covers far more orders of events; this covers the parts
//! that it replaces with paper and dice.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    reason = "numbers of a test's own making, on the machines that it runs on; and tables"
)]

mod client;
mod count;
mod damage;
mod disk;
mod fleet;
mod hangup;
mod hostile;
mod kill;
mod load;
mod race;
mod rig;
