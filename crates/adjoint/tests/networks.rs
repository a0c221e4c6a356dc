//! Every committed network, against gradients that were computed in f64 by other means (scripts/make_nets.py).
#![allow(clippy::unwrap_used, reason = "a test that cannot read its case should end there")]

mod support;

use std::path::Path;

use support::{Case, Report};

#[test]
fn committed_networks_agree_with_f64() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nets");
    let mut report = Report::default();
    for case in Case::all_in(&folder) {
        report.add(&case, &case.run(1));
    }
    assert!(report.cases() >= 60, "{} networks in {}", report.cases(), folder.display());
    report.finish();
}
