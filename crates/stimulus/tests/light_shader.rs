//! `shaders/light.wgsl` is valid, and its numbers are the twin's.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Expression, Literal, Module};
use stimulus::light::{LIGHT_UNITS, NEAREST};

const SHADER: &str = include_str!("../../../shaders/light.wgsl");

fn constant(module: &Module, name: &str) -> Literal {
    let found = module.constants.iter().find(|(_, constant)| constant.name.as_deref() == Some(name)).unwrap();
    match module.global_expressions[found.1.init] {
        Expression::Literal(literal) => literal,
        ref other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn the_shader_is_valid_and_has_the_twins_constants() {
    let module = naga::front::wgsl::parse_str(SHADER).unwrap();
    Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
    assert_eq!(constant(&module, "LIGHT_UNITS"), Literal::F32(LIGHT_UNITS as f32));
    assert_eq!(constant(&module, "NEAREST"), Literal::U32(NEAREST));
    assert_eq!(constant(&module, "BIN_SHIFT"), Literal::U32(16));
    // The bin of 4096 units, from which the table of first codes begins.
    assert_eq!(constant(&module, "FIRST_BIN"), Literal::U32(4096.0_f32.to_bits() >> 16));
    for name in ["encode_light", "encode_channel", "threshold_at"] {
        assert!(module.functions.iter().any(|(_, f)| f.name.as_deref() == Some(name)), "{name}");
    }
}
