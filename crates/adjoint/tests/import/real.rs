//! Files that must load.

use adjoint::import::{Dtype, Import, Limits};

use crate::common::{committed_nets, shared_models};

/// Loads a file, asks for every floating tap by itself, and returns how many there were.
fn load_at_every_tap(path: &std::path::Path) -> usize {
    let import = Import::open(path, &Limits::default()).unwrap();
    let taps = import.taps();
    let wanted: Vec<_> = taps.iter().filter(|t| t.dtype == Some(Dtype::F32)).collect();
    for tap in &wanted {
        let model = import
            .typed(&[], std::slice::from_ref(&tap.name))
            .unwrap_or_else(|e| panic!("{}: {e}", tap.name));
        let fact = model.output_fact(0).unwrap();
        let shape = tap.shape.as_ref().unwrap_or_else(|| panic!("no shape for {}", tap.name));
        assert_eq!(fact.shape.as_concrete(), Some(shape.as_slice()), "{} at {}", path.display(), tap.name);
    }
    wanted.len()
}

#[test]
fn models_of_others_import_at_every_tap() {
    for path in shared_models().unwrap_or_default() {
        let count = load_at_every_tap(&path);
        println!("{}: {count} taps", path.display());
        assert!(count >= 5, "{}", path.display());
    }
}

#[test]
fn committed_networks_import_at_their_outputs() {
    let mut failures = Vec::new();
    for path in committed_nets() {
        let import = Import::open(&path, &Limits::default()).unwrap_or_else(|e| panic!("{e}"));
        let outputs: Vec<String> = import.outputs().iter().map(|o| o.name.clone()).collect();
        let inputs: Vec<_> =
            import.inputs().iter().filter_map(|i| Some((i.name.clone(), i.concrete()?))).collect();
        if let Err(error) = import.typed(&inputs, &outputs) {
            failures.push(error.to_string());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
