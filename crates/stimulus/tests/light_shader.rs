//! `shaders/light.wgsl` is valid, and its numbers are the twin's.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Expression, Literal, Module};
use stimulus::light::{BIN_SHIFT, DARKEST, NEAREST};

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
    assert!(module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some("DITHERS")));
    assert_eq!(constant(&module, "DARKEST"), Literal::F32(DARKEST));
    assert_eq!(constant(&module, "BIN_SHIFT"), Literal::U32(BIN_SHIFT));
    assert_eq!(constant(&module, "NEAREST"), Literal::U32(NEAREST));
    for name in ["encode_light", "encode_grey", "encode_channel", "code_of", "noise_at"] {
        assert!(module.functions.iter().any(|(_, f)| f.name.as_deref() == Some(name)), "{name}");
    }
}
